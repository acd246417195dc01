"""Completion in bash, zsh and fish for values with spaces, colons and commas, which are common in device names.

https://www.gnu.org/software/bash/manual/html_node/Programmable-Completion.html,
https://zsh.sourceforge.io/Doc/Release/Completion-System.html, https://fishshell.com/docs/current/completions.html. Click's own
scripts split such values. Imported only when a shell asks. All three shells pass the line up to the cursor, and get lines with
a kind, a value and help, separated by tabs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from click import UsageError
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

_BASH = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=$'\\t' read -r kind value; do
        case $kind in
            plain) COMPREPLY+=("$value"); [[ $value != *= ]] || compopt -o nospace ;;
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
        esac
    done < <(COMP_LINE=${COMP_LINE:0:COMP_POINT} COMP_WORDBREAKS=$COMP_WORDBREAKS \\
        %(complete_var)s=bash_complete "${1/#\\~/$HOME}" 2> /dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local kind value help
    local -a words_to_come names_to_come
    while IFS=$'\\t' read -r kind value help; do
        case $kind in
            plain)
                value=${value//:/\\\\:}
                if [[ $value == *= ]]; then names_to_come+=("$value:$help"); else words_to_come+=("$value:$help"); fi ;;
            file) _files ;;
            dir) _files -/ ;;
        esac
    done < <(COMP_LINE="${(j: :)words[1,CURRENT-1]} $QIPREFIX$PREFIX" \\
        %(complete_var)s=zsh_complete ${(Q)~words[1]} 2> /dev/null)
    (( ! $#names_to_come )) || _describe -V name names_to_come -U -S ''
    (( ! $#words_to_come )) || _describe -V value words_to_come -U
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    for line in (COMP_LINE=(commandline -cp | string collect) %(complete_var)s=fish_complete %(prog_name)s 2> /dev/null)
        set -l parts (string split -m 2 \\t -- $line)
        switch $parts[1]
            case plain
                string join \\t -- $parts[2..]
            case file
                __fish_complete_path (commandline -ct)
            case dir
                __fish_complete_directories (commandline -ct)
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _LineComplete(ShellComplete):
    """A shell that passes the line up to the cursor in COMP_LINE."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the arguments before the cursor's, and the typed part of the one at the cursor."""
        *arguments, typed = split_arg_string(os.environ["COMP_LINE"] + "\0")[1:]  # the mark preserves an empty last word
        return arguments, typed.removesuffix("\0")

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Return completions of whole words, also for ``--option=value``, where Click only returns the value."""
        name, sign, _ = incomplete.partition("=")
        before = name + sign if sign and name.startswith("-") else ""
        items = super().get_completions(args, incomplete)
        return [CompletionItem(before + item.value, item.type, item.help) for item in items]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Format a line of the answer."""
        return "\t".join((item.type, item.value, " ".join((item.help or "").split()))).rstrip("\t")


class Bash(_LineComplete):
    """Bash, which inserts replies unchanged after the last word break or open quote, so they are cut and quoted here."""

    name = "bash"
    source_template = _BASH

    def complete(self) -> str:
        """Return the lines of the answer."""
        arguments, typed = self.get_completion_args()
        quote, before = _bash_word(os.environ["COMP_LINE"], os.environ.get("COMP_WORDBREAKS", " \t\n"))
        items = self.get_completions(arguments, typed)
        return "\n".join(
            f"{item.type}\t{_QUOTED[quote](item.value[len(before) :])}"
            for item in items
            if item.type != "plain" or item.value.casefold().startswith(before.casefold())
        )


class Zsh(_LineComplete):
    """Zsh, which quotes replies itself."""

    name = "zsh"
    source_template = _ZSH


class Fish(_LineComplete):
    """Fish, which quotes replies itself."""

    name = "fish"
    source_template = _FISH


_PART = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\]|['"\\]""", re.DOTALL)  # quoted, escaped, plain, or left open


def _bash_word(line: str, breaks: str) -> tuple[str, str]:
    """Return the open quote at the end of the line, and the part of the last word that bash does not replace."""
    word = replaced = 0  # the start of the last word, and of the part that bash replaces
    for part in _PART.finditer(line):
        text = part[0]
        if text in ("'", '"'):
            return text, _plain(line[word : part.start()])
        if text.isspace():
            word = replaced = part.end()
        elif text in breaks:
            replaced = part.end()
    return "", _plain(line[word:replaced])


def _plain(text: str) -> str:
    """Return the text without its quotes."""
    return "".join(split_arg_string(text))


_QUOTED: dict[str, Callable[[str], str]] = {  # by the open quote
    "": lambda text: re.sub(r"([^\w%+,./:=@-])", r"\\\1", text),
    '"': lambda text: re.sub(r'(["$`\\])', r"\\\1", text),
    "'": lambda text: text.replace("'", r"'\''"),
}


_SHELLS = (Bash, Zsh, Fish)


def register() -> None:
    """Make Click use these classes for the shells."""
    for shell in _SHELLS:
        add_completion_class(shell)


def check_request(variable: str) -> None:
    """Raise UsageError unless the environment asks for a script, or to complete the line in COMP_LINE."""
    request = os.environ[variable]
    known = [f"{shell.name}_{what}" for shell in _SHELLS for what in ("source", "complete")]
    if request not in known:
        raise UsageError(f"{variable} is “{request}”, not one of {', '.join(known)}")
    if request.endswith("_complete") and "COMP_LINE" not in os.environ:
        raise UsageError(f"{variable}={request} needs COMP_LINE, which shells set")
