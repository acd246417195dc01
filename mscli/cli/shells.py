"""Completion in bash, zsh and fish for values with spaces, colons and commas, which names of devices have.

https://www.gnu.org/software/bash/manual/html_node/Programmable-Completion.html,
https://zsh.sourceforge.io/Doc/Release/Completion-System.html, https://fishshell.com/docs/current/completions.html. Click's own
scripts split such values. Imported only when a shell asks. All three shells hand over the line up to the cursor and get lines
of kind, value and help, with tabs between them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

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
    """A shell that hands over the line up to the cursor, in COMP_LINE."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The arguments before the one at the cursor, and that one as far as it is typed."""
        *arguments, typed = split_arg_string(os.environ["COMP_LINE"] + "\0")[1:]  # the mark keeps a last word that is empty
        return arguments, typed.removesuffix("\0")

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Whole words: also of ``--option=value``, where Click offers the value."""
        name, sign, _ = incomplete.partition("=")
        before = name + sign if sign and name.startswith("-") else ""
        items = super().get_completions(args, incomplete)
        return [CompletionItem(before + item.value, item.type, item.help) for item in items]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """A line of the answer."""
        return "\t".join((item.type, item.value, " ".join((item.help or "").split()))).rstrip("\t")


class Bash(_LineComplete):
    """Bash puts a reply as it is behind the last word break, or behind an open quote: replies are cut and quoted for that."""

    name = "bash"
    source_template = _BASH

    def complete(self) -> str:
        """The lines of the answer."""
        arguments, typed = self.get_completion_args()
        quote, before = _bash_word(os.environ["COMP_LINE"], os.environ.get("COMP_WORDBREAKS", " \t\n"))
        items = self.get_completions(arguments, typed)
        return "\n".join(
            f"{item.type}\t{_QUOTED[quote](item.value[len(before) :])}"
            for item in items
            if item.type != "plain" or item.value.casefold().startswith(before.casefold())
        )


class Zsh(_LineComplete):
    """Zsh quotes by itself."""

    name = "zsh"
    source_template = _ZSH


class Fish(_LineComplete):
    """Fish quotes by itself."""

    name = "fish"
    source_template = _FISH


_PART = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\]|['"\\]""", re.DOTALL)  # quoted, escaped, plain, or left open


def _bash_word(line: str, breaks: str) -> tuple[str, str]:
    """The quote that is open at the end of the line, and what of the last word stands before the part that bash replaces."""
    word = replaced = 0  # where the last word begins, and that part of it
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
    """The text without its quotes."""
    return "".join(split_arg_string(text))


_QUOTED: dict[str, Callable[[str], str]] = {  # by the quote that is open
    "": lambda text: re.sub(r"([^\w%+,./:=@-])", r"\\\1", text),
    '"': lambda text: re.sub(r'(["$`\\])', r"\\\1", text),
    "'": lambda text: text.replace("'", r"'\''"),
}


def register() -> None:
    """Have Click use these for the shells."""
    for shell in (Bash, Zsh, Fish):
        add_completion_class(shell)
