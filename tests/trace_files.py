"""Files of every format, built by hand from times and signals: an independent route to the readers.

Each builder takes times (N,) in s and signals (n, N) and returns the bytes of a file.
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl

WAVELENGTHS = (350.0, 352.5, 355.0, 360.0, 370.0, 380.0)
Builder = Callable[[np.ndarray, np.ndarray], bytes]


def example(key: str) -> str:
    """Return the small file of a format that the documentation shows."""
    path = Path(__file__).parents[1] / "docs" / "examples" / f"{key}.txt"
    return path.read_bytes().decode()


def number(value: float) -> str:
    return f"{value:.10g}"


def row(values, sign: str = ",") -> str:
    return sign.join(number(value) for value in values)


def lines(items, end: str = "\n") -> bytes:
    return (end.join(items) + end).encode()


def bio_kine(time, signals, unit="s") -> bytes:
    if len(signals) == 1:
        head = ['"BIO-KINE ASCII FILE"', f'"_UNITX"\t"{unit}"', '"_UNITY"\t"Volt"']
    else:
        head = ['"BIO-KINE MULTI-Y ASCII FILE"', f'"_UNITX"\t"{unit}"', f'"_NBY"\t{len(signals)}']
        head += [f'"_UNITY{place}"\t"Volt"' for place in range(1, len(signals) + 1)]
    head += ['"_COMMENT"\t"by hand"', '"_DELTAX"\t0', '"_DATA"']
    return lines(head + [row(line, "\t") for line in np.vstack([time, signals]).T], "\r\n")


def bio_kine_3d(time, signals) -> bytes:
    head = ['"BIO-KINE 3D ASCII FILE"', '"_COMMENT"\t"by hand"', '"_FORMAT"\t"WTV"', '"_DATA"']
    body = [
        row([wavelength, t, y], "\t")
        for wavelength, signal in zip(WAVELENGTHS, signals, strict=False)
        for t, y in zip(time, signal, strict=True)
    ]
    return lines(head + body, "\r\n")


PRO_DATA_HEAD = [
    "ProDataCSV",
    "",
    "Title: by hand",
    "",
    "Remarks:",
    "#Sample period: 1.00 ms",
    "",
    "Options:",
    "",
    "Available Dimensions:,2",
    "Time,1000 time points over 10s,logarithmic",
    "Wavelength,Wavelength: 350nm - 380nm",
    "",
    "Available Properties: ,1",
    "Absorbance,Absorbance",
    "",
    "Data:",
    "",
]


def pro_data_csv(time, signals) -> bytes:
    waves = WAVELENGTHS[: len(signals)]
    body = ["Absorbance", "Time,Wavelength", "," + row(waves) + ","]
    body += [row(line) for line in np.vstack([time, signals]).T]
    return lines([*PRO_DATA_HEAD, *body, "", "History: ", "made"], "\r\n")


def pro_data_csv_turned(time, signals) -> bytes:
    waves = WAVELENGTHS[: len(signals)]
    body = ["Absorbance", "Wavelength,Time", "," + row(time) + ","]
    body += [row([wave, *signal]) for wave, signal in zip(waves, signals, strict=True)]
    return lines([*PRO_DATA_HEAD, *body, "", "History: ", "made"], "\r\n")


def pro_data_store(time, signals) -> bytes:
    waves = WAVELENGTHS[: len(signals)]
    head = ["ProDataStore", "", "Remarks:", "2", "#Sample period: 12.5 us", "#Temperature: 25 C"]
    head += ["0", "Properties:", "1", "Absorbance", "Dimensions:", "2"]
    head += ["Time -ovs -trigger ", str(len(time)), row(time), ""]
    head += ["Wavelength -iter", str(len(waves)), row(waves), ""]
    return lines([*head, *[row(signal) for signal in signals], "", "History:", "1", "made", "0"])


def kinetic_studio(time, signals) -> bytes:
    waves = WAVELENGTHS[: len(signals)]
    body = [row([wave, *signal]) for wave, signal in zip(waves, signals, strict=True)]
    return lines(["File Info: by hand,", "," + row(time), *body, "end,"])


def olis(time, signals) -> bytes:
    waves = WAVELENGTHS[: len(signals)]
    body = [row([wave, *signal]) for wave, signal in zip(waves, signals, strict=True)]
    return lines(["OLIS-3D-ASCII," + row(time), *body])


JASCO_HEAD = ["TITLE\tby hand", "DATA TYPE\t", "ORIGIN\tJASCO", "SPECTROMETER/DATA SYSTEM\tV-550"]


def jasco(time, signals) -> bytes:
    head = [*JASCO_HEAD, "XUNITS\tsec", "YUNITS\tABSORBANCE", f"NPOINTS\t{len(time)}", "XYDATA"]
    body = [row(line, "\t") for line in np.vstack([time, signals]).T]
    return lines([*head, *body, "", "##### Extended Information", "[Comments]", "Sample\tx"])


def jasco_scan(time, signals) -> bytes:
    head = [*JASCO_HEAD, "XUNITS\tNANOMETERS", "YUNITS\tABSORBANCE", "XYDATA"]
    waves = WAVELENGTHS[: len(signals)]
    body = [row([wave, *signal], "\t") for wave, signal in zip(waves, signals, strict=True)]
    return lines([*head, "\t" + row(time / 60, "\t"), *body[::-1]])


def uv_vis(time, signals) -> bytes:
    head = ["Measurement Mode,Kinetics", "Interval(s),0.5", "Units,Absorbance", "Operator,me", ""]
    names = ["Absorbance", "Absorbance 2", "Absorbance 3"][: len(signals)]
    body = [row(line) for line in np.vstack([time, signals]).T]
    return lines([*head, ",".join(["Time(s)", *names]), *body])


def diode_array(time, signals) -> bytes:
    body = [row(line) for line in np.vstack([time, signals]).T]
    return lines(["SPECTRA", "," + row(WAVELENGTHS[: len(signals)]), *body])


def diode_array_turned(time, signals) -> bytes:
    waves = WAVELENGTHS[: len(signals)]
    body = [row([wave, *signal]) for wave, signal in zip(waves, signals, strict=True)]
    return lines(["Wavelength (nm)," + row(time), *body])


def kintek(time, signals) -> bytes:
    names = ["440.1410", "obs2", "obs3", "obs4", "obs5", "obs6"][: len(signals)]
    body = [row(line, "\t") + "\t" for line in np.vstack([time, signals]).T]
    return lines(["Time\t" + "\t".join(names) + "\t", *body], "\r\n")


def comma_csv(time, signals) -> bytes:
    names = ["Absorbance", "Fluorescence", "Volt"][: len(signals)]
    body = [row(line) for line in np.vstack([time * 1e3, signals]).T]
    return lines([",".join(["Time (ms)", *names]), *body])


def german(time, signals) -> bytes:
    names = ["Absorbance", "Fluorescence", "Volt"][: len(signals)]
    body = [row(line, ";").replace(".", ",") for line in np.vstack([time, signals]).T]
    head = ["# Messung 3, 25 °C", "Zeit;" + ";".join(names), "s;" + ";".join(["AU"] * len(names))]
    return "\r\n".join([*head, *body, ""]).encode("cp1252")


def blanks(time, signals) -> bytes:
    body = ["   " + row(line, "   ") for line in np.vstack([time, signals]).T]
    return lines(["Time unit: s", "", *body])


def bars_utf16(time, signals) -> bytes:
    body = [row(line, "|") for line in np.vstack([time, signals]).T]
    names = ["Absorbance", "Fluorescence", "Volt"][: len(signals)]
    text = "\r\n".join(["t / s|" + "|".join(names), *body, ""])
    return b"\xff\xfe" + text.encode("utf-16-le")


def origin(time, signals) -> bytes:
    names = ["Absorbance", "Fluorescence", "Volt"][: len(signals)]
    head = ["\t".join(["Time", *names]), "\t".join(["ms", *["AU"] * len(names)])]
    head += ["\t".join(["shot 3", *["10 uM"] * len(names)])]
    return lines([*head, *[row(line, "\t") for line in np.vstack([time * 1e3, signals]).T]], "\r\n")


def quoted_commas(time, signals) -> bytes:
    names = ["Absorbance", "Fluorescence", "Volt"][: len(signals)]
    cells = [
        [number(value).replace(".", ",") for value in line]
        for line in zip(time, *signals, strict=True)
    ]
    head = ["Time (s)", *names]
    return lines([",".join(f'"{cell}"' for cell in line) for line in [head, *cells]])


def time_last(time, signals) -> bytes:
    names = ["Absorbance", "Fluorescence", "Volt"][: len(signals)]
    body = [row(line) for line in np.vstack([signals, time * 1e6]).T]
    return lines([",".join([*names, "Time (us)"]), *body], "\r")


def pro_data_saved_anew(time, signals) -> bytes:
    text = pro_data_csv(time, signals).decode()
    head, _, body = text.partition("Time,Wavelength")
    return (head + ("Time,Wavelength" + body).replace(",", ";").replace(".", ",")).encode()


def labview(time, signals) -> bytes:
    names = ["Voltage", "Voltage 1", "Voltage 2"][: len(signals)]
    units = "\t".join(["Y_Unit_Label", *["Volts"] * len(names)])
    head = ["LabVIEW Measurement\t", "Separator\tTab", "Time\t21:26:13,12", "***End_of_Header***\t"]
    head += ["", units, "X_Dimension" + "\tTime" * len(names), "Delta_X" + "\t0,001" * len(names)]
    head += ["***End_of_Header***\t", "\t".join(["X_Value", *names, "Comment"])]
    body = [row(line, "\t").replace(".", ",") for line in np.vstack([time, signals]).T]
    return lines([*head, *body], "\r\n")


def workbook(time, signals) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    names = ["Absorbance", "Fluorescence", "Volt"][: len(signals)]
    sheet.append(["Time", *names])
    sheet.append(["s", *["AU"] * len(signals)])
    for line in np.vstack([time, signals]).T.tolist():
        sheet.append(line)
    raw = io.BytesIO()
    book.save(raw)
    return raw.getvalue()


BUILDERS: dict[str, tuple[str, Builder, int]] = {
    "bio-kine": ("bio-kine", bio_kine, 1),
    "bio-kine two": ("bio-kine", bio_kine, 2),
    "bio-kine-3d": ("bio-kine-3d", bio_kine_3d, 3),
    "pro-data-csv": ("pro-data-csv", pro_data_csv, 6),
    "pro-data-csv turned": ("pro-data-csv", pro_data_csv_turned, 6),
    "pro-data-store": ("pro-data-store", pro_data_store, 3),
    "kinetic-studio": ("kinetic-studio", kinetic_studio, 3),
    "kinetic-studio one": ("kinetic-studio", kinetic_studio, 1),
    "olis": ("olis", olis, 4),
    "jasco": ("jasco", jasco, 1),
    "jasco two": ("jasco", jasco, 2),
    "jasco scan": ("jasco", jasco_scan, 5),
    "uv-vis": ("uv-vis", uv_vis, 1),
    "diode-array": ("diode-array", diode_array, 6),
    "diode-array turned": ("diode-array", diode_array_turned, 6),
    "kintek": ("kintek", kintek, 1),
    "kintek two": ("kintek", kintek, 2),
    "columns": ("columns", comma_csv, 1),
    "columns three": ("columns", comma_csv, 3),
    "columns german": ("columns", german, 2),
    "columns blanks": ("columns", blanks, 1),
    "columns utf-16": ("columns", bars_utf16, 2),
    "columns origin": ("kintek", origin, 2),
    "columns quoted commas": ("columns", quoted_commas, 2),
    "columns time last": ("columns", time_last, 2),
    "columns labview": ("columns", labview, 2),
    "pro-data-csv saved anew": ("pro-data-csv", pro_data_saved_anew, 6),
    "workbook": ("workbook", workbook, 2),
}
"""Name -> (key of the reader, builder, signals it is built with)."""
