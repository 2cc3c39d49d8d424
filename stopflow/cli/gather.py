"""Options that several commands share, spelled in one table and handed to each as one mapping."""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, signature
from typing import Any, NamedTuple

Command = Callable[..., None]


class Option(NamedTuple):
    """An option as Typer reads it, its value where it is not given, and what is made of either."""

    annotation: Any
    default: Any = None
    parse: Callable[[Any], Any] | None = None


def gathers(
    into: str,
    options: Mapping[str, Option],
    *,
    make: Callable[[dict[str, Any]], Any] = dict,
    last: bool = False,
) -> Callable[[Command], Command]:
    """Give a command `options`; it gets their values by name, as the mapping `into`.

    They stand between the arguments of the command and the options of its own, or `last`; `make`
    turns the mapping into something else.
    """

    def give(command: Command) -> Command:
        @wraps(command)
        def run(*arguments: Any, **given: Any) -> None:
            gathered = {name: given.pop(name, option.default) for name, option in options.items()}
            for name, option in options.items():
                if option.parse is not None:
                    gathered[name] = option.parse(gathered[name])
            command(*arguments, **{into: make(gathered)}, **given)

        shared = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default, _) in options.items()
        ]
        own = [item for item in signature(command).parameters.values() if item.name != into]
        first = [item for item in own if item.kind is not Parameter.KEYWORD_ONLY]
        options_of_its_own = [item for item in own if item.kind is Parameter.KEYWORD_ONLY]
        parts = (options_of_its_own, shared) if last else (shared, options_of_its_own)
        parameters = [*first, *parts[0], *parts[1]]
        run.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {item.name: item.annotation for item in parameters}
        return run

    return give
