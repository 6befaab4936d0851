#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""type.py bash|zsh: start that shell on a terminal, type each line of standard
input and a TAB, and print what then stands on its command line."""
import os
import pty
import select
import sys

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             ". /usr/share/bash-completion/bash_completion\n"
             "bind 'set enable-bracketed-paste off'\n"
             "bind 'set bell-style none'\n"
             "bind -x '\"\\C-g\": printf \"LINE%s%s%s\" \"<\" \"$READLINE_LINE\" \">\"'\n"),
    "zsh": (["zsh", "-f", "-i"],
            "PROMPT='> '; unset zle_bracketed_paste; unsetopt beep list_beep\n"
            "autoload -U compinit; compinit -u -D\n"
            "buffer() { print -rn -- \"LINE\"\"<$BUFFER>\" }; zle -N buffer; bindkey '^G' buffer\n"),
}


# Seconds of silence; only a broken test meets them. In a guest with a kernel full of
# checkers zsh reads its functions for minutes.
PATIENCE = 900


class Terminal:
    def __init__(self, argv):
        self.seen = b""
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "dumb"
            os.execvp(argv[0], argv)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, text, what):
        """Up to and with the text."""
        text = text.encode()
        while text not in self.seen:
            if not select.select([self.fd], [], [], PATIENCE)[0]:
                sys.exit(f"type.py: no {text} after {what!r}: {self.seen!r}")
            self.seen += os.read(self.fd, 4096)
        before, _, self.seen = self.seen.partition(text)
        return before.decode(errors="replace")


def main():
    argv, setup = SHELLS[sys.argv[1]]
    t = Terminal(argv)
    # One by one: what is typed early is the terminal's to echo.
    for n, line in enumerate(setup.splitlines()):
        t.type(f"{line}\necho UP-$(({n} + 100))-UP\n")
        t.wait(f"UP-{n + 100}-UP", line)
    for line in sys.stdin:
        line = line.rstrip("\n")
        t.type(f"{line}\t\x07")
        t.wait("LINE<", line)
        print(t.wait(">", line), flush=True)
        t.type("\x15")


main()
