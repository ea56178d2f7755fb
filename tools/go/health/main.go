// Health says of Kubernetes objects what GitOps tools would: Flux by kstatus, Argo CD by a script in Lua.
//
// It reads objects as JSON, one after another, from standard input, and prints one line of JSON for each.
//
//	health kstatus
//	health argocd SCRIPT.lua
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

// verdict is what both say: a status and a sentence.
type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type judge func(object map[string]any) (verdict, error)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "health:", err)
		os.Exit(1)
	}
}

func run(arguments []string, in io.Reader, out io.Writer) error {
	ask, err := choose(arguments)
	if err != nil {
		return err
	}
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		object := map[string]any{}
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		found, err := ask(object)
		if err != nil {
			return err
		}
		if err := encoder.Encode(found); err != nil {
			return err
		}
	}
}

func choose(arguments []string) (judge, error) {
	switch {
	case len(arguments) == 1 && arguments[0] == "kstatus":
		return kstatus, nil
	case len(arguments) == 2 && arguments[0] == "argocd":
		script, err := os.ReadFile(arguments[1])
		if err != nil {
			return nil, err
		}
		return argocd(string(script)), nil
	}
	return nil, errors.New("say kstatus, or argocd SCRIPT.lua")
}

// kstatus asks the library that Flux's controllers wait by.
func kstatus(object map[string]any) (verdict, error) {
	// As a client has it: whole numbers are integers.
	text, err := json.Marshal(object)
	if err != nil {
		return verdict{}, err
	}
	typed := &unstructured.Unstructured{}
	if err := typed.UnmarshalJSON(text); err != nil {
		return verdict{}, err
	}
	found, err := status.Compute(typed)
	if err != nil {
		return verdict{}, err
	}
	return verdict{string(found.Status), found.Message}, nil
}

// libraries are all that Argo CD gives a script, while useOpenLibs is off.
var libraries = []struct {
	name string
	open lua.LGFunction
}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}}

// argocd runs a health script as Argo CD does: the object is the global obj, and the script returns a table with
// a status and a message.
func argocd(script string) judge {
	return func(object map[string]any) (verdict, error) {
		state := lua.NewState(lua.Options{SkipOpenLibs: true})
		defer state.Close()
		for _, library := range libraries {
			state.Push(state.NewFunction(library.open))
			state.Push(lua.LString(library.name))
			state.Call(1, 0)
		}
		state.SetGlobal("obj", luajson.DecodeValue(state, object))
		if err := state.DoString(script); err != nil {
			return verdict{}, err
		}
		answer, ok := state.Get(-1).(*lua.LTable)
		if !ok {
			return verdict{}, fmt.Errorf("the script returned %s, no table", state.Get(-1).Type())
		}
		return verdict{text(answer, "status"), text(answer, "message")}, nil
	}
}

func text(table *lua.LTable, key string) string {
	if value, ok := table.RawGetString(key).(lua.LString); ok {
		return string(value)
	}
	return ""
}
