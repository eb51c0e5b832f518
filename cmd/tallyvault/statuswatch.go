package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
)

// Steps of a terminal's cursor: to the upper left, clearing what is to the right of it
// or below it.
const (
	toTop      = "\x1b[H"
	clearRight = "\x1b[K"
	clearBelow = "\x1b[J"
)

// watch asks until it is interrupted, which is how it ends well.
func (a *statusAsking) watch() error {
	ctx := a.c.Context
	ticker := time.NewTicker(a.c.Duration("every"))
	defer ticker.Stop()
	for first := true; ; first = false {
		out := a.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := a.draw(out, first); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// draw shows one screen in the place of the one before, or behind it where there is
// no terminal.
func (a *statusAsking) draw(out clusterStatus, first bool) error {
	if a.c.Bool("json") {
		line, err := json.Marshal(out)
		if err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		return printf(a.c, "%s\n", line)
	}
	now := time.Now()
	text := out.screen(now)
	width, height, err := terminalSize(a.c.App.Writer)
	if err != nil {
		if !first {
			text = "\n" + text
		}
		return printf(a.c, "%s", text)
	}
	footer := fmt.Sprintf("every %s, last %s; end with Ctrl-C", a.c.Duration("every"), now.UTC().Format("15:04:05 UTC"))
	if first {
		if err := steer(a.c, toTop+clearBelow); err != nil {
			return err
		}
	}
	return steer(a.c, frame(words.Shown(text+"\n"+footer), width, height))
}

func terminalSize(out any) (width, height int, err error) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, 0, context.Canceled
	}
	return term.GetSize(int(file.Fd()))
}

// frame makes text overwrite the frame before: each line is cut at the terminal's
// edge, since one that is wrapped would shift the rest.
func frame(text string, width, height int) string {
	lines := strings.Split(text, "\n")
	if len(lines) >= height && height > 1 {
		lines = lines[:height-1]
	}
	var b strings.Builder
	b.WriteString(toTop)
	for _, line := range lines {
		b.WriteString(cut(line, width) + clearRight + "\n")
	}
	b.WriteString(clearBelow)
	return b.String()
}

func cut(line string, width int) string {
	if width < 1 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}
