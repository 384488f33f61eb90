"""The themes: dark, light, high contrast, sixteen colours, and none at all for NO_COLOR."""

from __future__ import annotations

from textual.theme import Theme

from kwtui.choices import ScreenChoices

# Styles for text in code. What must be seen without colours is an attribute: bold, reverse.
KEY = "b $primary"
MUTED = "$text-muted"
ON = "b reverse $primary"
WRONG = "b $text-error"
KEYWORD = "b u $primary"

DARK = Theme(
    name="dark",
    primary="#7aa2f7",
    secondary="#7dcfff",
    accent="#e0af68",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#d5d9e6",
    background="#16181f",
    surface="#1c1f28",
    panel="#272b37",
    dark=True,
)
LIGHT = Theme(
    name="light",
    primary="#1a52a8",
    secondary="#0b7285",
    accent="#9c5700",
    warning="#9c5700",
    error="#b3261e",
    success="#2b7a2b",
    foreground="#20242c",
    background="#fafafa",
    surface="#f1f2f4",
    panel="#e1e4ea",
    dark=False,
)
CONTRAST = Theme(
    name="contrast",
    primary="#ffff00",
    secondary="#00ffff",
    accent="#ff9cff",
    warning="#ffb000",
    error="#ff6b6b",
    success="#00ff66",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#303030",
    dark=True,
    variables={"scrollbar": "#ffff00", "scrollbar-background": "#000000"},
)


def _sixteen(name: str, *, dark: bool, **other: str) -> Theme:
    """A theme of the terminal's own sixteen colours; `other` goes over its colours."""
    ink, paper = ("ansi_black", "ansi_white") if dark else ("ansi_white", "ansi_black")
    colours = {
        "primary": "ansi_bright_blue" if dark else "ansi_blue",
        "secondary": "ansi_cyan",
        "accent": "ansi_yellow" if dark else "ansi_magenta",
        "warning": "ansi_yellow",
        "error": "ansi_red",
        "success": "ansi_green",
        "foreground": "ansi_default",
        "background": "ansi_default",
    }
    return Theme(
        name=name,
        ansi=True,
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        dark=dark,
        variables={
            "ansi-background": ink,
            "ansi-foreground": paper,
            "border-blurred": "ansi_default",
            "block-cursor-foreground": ink,
            "block-cursor-background": paper,
            "input-cursor-foreground": ink,
            "input-cursor-background": paper,
            "input-cursor-text-style": "none",
            "input-selection-foreground": "ansi_black",
            "input-selection-background": "ansi_cyan",
            "screen-selection-foreground": "ansi_black",
            "screen-selection-background": "ansi_cyan",
        },
        **(colours | other),  # type: ignore[arg-type]
    )


THEMES = (
    DARK,
    LIGHT,
    CONTRAST,
    _sixteen("dark-16", dark=True),
    _sixteen("light-16", dark=False),
    _sixteen(
        "contrast-16",
        dark=True,
        primary="ansi_bright_yellow",
        secondary="ansi_bright_cyan",
        accent="ansi_bright_yellow",
        warning="ansi_bright_yellow",
        error="ansi_bright_red",
        success="ansi_bright_green",
        foreground="ansi_bright_white",
    ),
)
_IN_SIXTEEN = {"dark": "dark-16", "light": "light-16", "contrast": "contrast-16"}


def theme_for(choices: ScreenChoices, *, no_color: bool) -> str:
    """The name of the theme to start with; without colours the one whose marks are attributes."""
    if no_color:
        return _IN_SIXTEEN["light" if choices.theme == "light" else "dark"]
    return in_palette(choices.theme, choices)


def in_palette(theme: str, choices: ScreenChoices) -> str:
    """The form of a theme that the terminal can show."""
    return _IN_SIXTEEN.get(theme, theme) if choices.colors == "16" else theme
