/** The script of a worker: fits to all digits, each question with its number. */

import { fitSeparable } from "./fit.js";

onmessage = ({ data: [number, [time, signal, choice]] }) => postMessage([number, { ...fitSeparable(time, signal, choice) }]);
