// The expression editor: PromQL with completion from the server, highlighting, and errors at their place.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from "@codemirror/commands";
import { HighlightStyle, bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, highlightSpecialChars, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension, newCompleteStrategy } from "@prometheus-io/codemirror-promql";
import { nonce, prefix, t } from "./dom.js";

const highlighting = HighlightStyle.define(
  [
    [tags.number, "number"],
    [tags.string, "string"],
    [tags.keyword, "keyword"],
    [tags.function(tags.variableName), "function"],
    [tags.labelName, "label"],
    [tags.operator, "operator"],
    [tags.modifier, "keyword"],
    [tags.comment, "comment"],
    [tags.invalid, "invalid"],
  ].map(([tag, name]) => ({ tag, class: `ql-${name}` })),
);

const look = EditorView.theme({
  "&": { fontSize: "14px", backgroundColor: "var(--bg)", color: "var(--text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-content": { fontFamily: "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace", caretColor: "var(--text)", padding: "7px 2px" },
  ".cm-placeholder": { color: "var(--soft)" },
  ".cm-tooltip": { backgroundColor: "var(--panel)", border: "1px solid var(--line)", borderRadius: "6px", color: "var(--text)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--info-bg)", color: "var(--text)" },
  ".cm-completionDetail": { color: "var(--soft)", float: "right", fontStyle: "normal", marginLeft: "1.5em" },
  ".cm-completionInfo": { maxWidth: "28rem" },
  ".cm-diagnostic": { color: "var(--text)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--info-bg)" },
});

// A chosen function comes with its parentheses, the cursor between them.
function applyCall(view, { label }, from, to) {
  const open = view.state.sliceDoc(to, to + 1) === "(";
  const insert = open ? label : `${label}()`;
  view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + label.length + 1 }, userEvent: "input.complete" });
}

class Completion {
  names = newCompleteStrategy({ remote: { url: prefix, httpMethod: "GET" } });

  async promQL(context) {
    const found = await this.names.promQL(context);
    const call = (option) => (["function", "aggregation"].includes(option.detail) ? { ...option, apply: applyCall } : option);
    return found && { ...found, options: found.options.map(call) };
  }
}

export function makeEditor({ parent, text, onRun, onChange }) {
  const promql = new PromQLExtension().activateLinter(true);
  promql.setComplete({ completeStrategy: new Completion() });
  const run = () => {
    onRun();
    return true;
  };
  return new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        EditorView.cspNonce.of(nonce),
        EditorView.contentAttributes.of({ "aria-label": t.expression, spellcheck: "false" }),
        EditorView.lineWrapping,
        history(),
        highlightSpecialChars(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ icons: false }),
        syntaxHighlighting(highlighting),
        promql.asExtension(),
        placeholder(t.placeholder),
        look,
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
        // After completion's own Enter, which takes the chosen name.
        Prec.high(keymap.of([{ key: "Shift-Enter", run: insertNewlineAndIndent }, { key: "Ctrl-Enter", run }])),
        EditorView.updateListener.of((update) => update.docChanged && onChange(update.state.doc.toString())),
        Prec.high(
          EditorView.domEventHandlers({
            keydown(event, view) {
              const open = view.dom.querySelector(".cm-tooltip-autocomplete");
              if (event.key !== "Enter" || event.shiftKey || event.altKey || open) return false;
              event.preventDefault();
              return run();
            },
          }),
        ),
      ],
    }),
  });
}
