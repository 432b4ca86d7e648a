/** The button that adds files to the message: text files, and images where they may be sent. */

const IMAGES = "image/png,image/jpeg,image/webp,image/gif";
// A browser offers others as well, where the reader asks for all files. What is no text gets a sentence.
const TEXTS =
  "text/*,application/json,application/xml,application/sql,application/javascript,application/x-sh,application/x-yaml," +
  ".txt,.md,.csv,.tsv,.log,.json,.jsonl,.xml,.yaml,.yml,.toml,.ini,.cfg,.conf,.env,.tex,.srt,.diff,.patch,.html,.css,.svg," +
  ".js,.mjs,.ts,.jsx,.tsx,.vue,.py,.ipynb,.rb,.php,.java,.kt,.swift,.c,.h,.cpp,.hpp,.cs,.go,.rs,.r,.lua,.sh,.ps1,.bat,.sql";

/**
 * Enables the button. Call once, when it is known what may be sent.
 * @param {HTMLFormElement} form
 * @param {boolean} takesImages
 * @param {(files: File[]) => void} chosen called with files of any kind
 */
export function offerFiles(form, takesImages, chosen) {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept: takesImages ? `${IMAGES},${TEXTS}` : TEXTS, multiple: true, hidden: true });
  input.addEventListener("change", () => {
    chosen([...(input.files ?? [])]);
    input.value = ""; // the same file may be chosen again
    form.querySelector("textarea")?.focus();
  });
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button.add-files"));
  button.addEventListener("click", () => input.click());
  button.after(input);
  button.disabled = false;
}
