"""Help pages: options in groups with ``--help``, the most used options with ``-h``, and captioned examples in both.

Built on Click's own means, because a library for this would import more than a help page may cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

GROUPS = OUTPUT, STOP, FILES, ENCODING, DEVICE, PICTURE, CONTROLS, SOUND, FAILURE, DIAGNOSTICS = (
    "Output",
    "When to stop",
    "Several files",
    "Encoding",
    "Device",
    "Picture",
    "Camera controls",
    "Sound",
    "If a device fails",
    "Diagnostics",
)
BRIEF_EXAMPLES = 2  # how many examples -h shows

Example = tuple[str, str]  # caption, command line


class Option(click.Option):
    """An option with its group. ``common``: whether ``-h`` shows it. ``usual``: the default, for people.

    ``takes``: whether the next argument is its value. If it is not, the value is "". ``once``: whether it is refused if it is
    given again, because it names something that would be ignored. Of other options the last one counts.
    """

    def __init__(
        self,
        *declarations: Any,
        group: str = DIAGNOSTICS,
        common: bool = False,
        usual: str = "",
        takes: Callable[[str], bool] | None = None,
        once: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(*declarations, **more)
        self.group = group
        self.common = common
        self.usual = usual
        self.takes = takes
        self.once = (once or group == DEVICE) and not (self.is_flag or self.multiple)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option as people type it, and its help with the default."""
        if self.hidden:
            return None
        text = self.help or ""
        return self.usage(ctx), f"{text} [default: {self.usual}]" if self.usual else text

    def usage(self, ctx: click.Context) -> str:
        """Return the option's names with the name of its value, as people type them."""
        names = " / ".join(filter(None, [", ".join(self.opts), ", ".join(self.secondary_opts)]))
        return names if self.is_flag else f"{names} {self.make_metavar(ctx)}"

    def make_metavar(self, ctx: click.Context) -> str:  # noqa: ARG002
        """Return the name of the value: its choices as people type them, or a word in capitals."""
        if isinstance(self.type, click.Choice):
            return self.metavar or "|".join(self.type.choices)
        return self.metavar or self.type.name


def option(*names: str, group: str, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds an ``Option`` to a command."""
    return click.option(*names, cls=Option, group=group, **attributes)


class Command(click.Command):
    """A command whose help pages have groups and examples."""

    def __init__(self, name: str | None, examples: Sequence[Example] = (), **attributes: Any) -> None:
        super().__init__(name, add_help_option=False, **attributes)
        self.examples = examples
        self.params += [
            _page_option("-h", Command.brief, "Show the most used options."),
            _page_option("--help", Command.get_help, "Show all options.", common=True),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, some of which are options whose value may be left out."""
        takes = {name: one.takes for one in self.params if isinstance(one, Option) and one.takes for name in one.opts}
        completed = list(_with_values(args, takes))
        rest = super().parse_args(ctx, list(completed))
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(completed)
            again = next((one for one, count in Counter(given).items() if count > 1 and getattr(one, "once", False)), None)
            if again is not None:
                raise click.UsageError(f"{max(again.opts, key=len)} can be given only once")
        return rest

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the page of --help."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        for title, options in grouped(self, ctx).items():
            with formatter.section(title):
                formatter.write_dl([record for one in options if (record := one.get_help_record(ctx)) is not None])
        write_examples(formatter, self.examples)

    def brief(self, ctx: click.Context) -> str:
        """Return the page of ``-h``, which fits a screen of 24 lines."""
        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text((self.help or "").partition("\n\n")[0])
        options = [one for group in grouped(self, ctx).values() for one in group]
        with formatter.section("Options"):
            formatter.write_dl([(one.usage(ctx), one.help or "") for one in options if isinstance(one, Option) and one.common])
        write_examples(formatter, self.examples[:BRIEF_EXAMPLES])
        return formatter.getvalue().rstrip("\n")


def _with_values(args: Sequence[str], takes: Mapping[str, Callable[[str], bool]]) -> Iterator[str]:
    """Yield the arguments, with an empty value for each option that is given without one."""
    options = args[: args.index("--")] if "--" in args else args
    for name, following in zip(options, (*options[1:], "-"), strict=False):
        yield f"{name}=" if name in takes and not takes[name](following) else name
    yield from args[len(options) :]


def _page_option(name: str, page: Callable[[Command, click.Context], str], text: str, *, common: bool = False) -> Option:
    """Return an option that prints a page and ends the program."""

    def show(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            assert isinstance(ctx.command, Command), "it is an option of these"
            click.echo(page(ctx.command, ctx))
            ctx.exit()

    return Option(
        [name, f"_{name.lstrip('-')}"], is_flag=True, is_eager=True, expose_value=False, callback=show, help=text, common=common
    )


def grouped(command: click.Command, ctx: click.Context) -> dict[str, list[click.Option]]:
    """Return the options of a command by group, without hidden ones."""
    groups: dict[str, list[click.Option]] = {title: [] for title in GROUPS}
    for one in command.get_params(ctx):
        if isinstance(one, click.Option) and not one.hidden:
            groups[one.group if isinstance(one, Option) else DIAGNOSTICS].append(one)
    return {title: options for title, options in groups.items() if options}


def write_examples(formatter: click.HelpFormatter, examples: Sequence[Example]) -> None:
    """Write examples, each with its caption above."""
    if examples:
        with formatter.section("Examples"):
            formatter.write("".join(_example_lines(examples)))


def _example_lines(examples: Sequence[Example]) -> Iterator[str]:
    for caption, line in examples:
        yield f"  {caption}:\n    {line}\n"
