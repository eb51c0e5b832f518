package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestQualityText(t *testing.T) {
	words := map[string]int{}
	for i := range fewQualities {
		words[fmt.Sprintf("w%02d", i)] = i
	}
	if got := qualityText(words); strings.Contains(got, "more") || !strings.HasSuffix(got, "w11 11") {
		t.Errorf("as many as fit: %s", got)
	}
	words["x"], words["y"] = 1, 1
	if got := qualityText(words); !strings.HasSuffix(got, "w11 11, 2 more") {
		t.Errorf("two more: %s", got)
	}
	if got := qualityText(nil); got != "-" {
		t.Errorf("none: %s", got)
	}
}
