/* Shows Markdown through the page's modules, and describes what is shown as an outline. */
async () => {
    const { Markdown } = await pageModule("markdown/markdown.js");
    const { loadLibraries } = await pageModule("browser/libraries.js");
    const markdown = new Markdown(await loadLibraries());
    const INLINE = /^(A|B|BR|CODE|DEL|EM|I|IMG|INPUT|INS|KBD|MARK|S|SAMP|SMALL|SPAN|STRONG|SUB|SUP|U)$/;

    /** A new element, and the function that renders until nothing is left to do without more text. */
    const begin = () => {
        const element = document.createElement("div");
        element.className = "prose";
        document.querySelector("#sluice-log").append(element);
        const renderer = markdown.rendererFor(element);
        const render = async () => {
            for (;;) {
                let proceed;
                const proceeded = new Promise((resolve) => { proceed = resolve; });
                const progress = renderer.render(Infinity, proceed);
                if (progress === "complete" || !renderer.ended) return progress;
                await proceeded;
            }
        };
        return { element, renderer, render };
    };

    /** Shows a text, cut at these indexes. Calls `seen` after each piece. */
    window.show = async (text, cuts, seen = () => {}) => {
        const { element, renderer, render } = begin();
        for (const [index, cut] of [...cuts, text.length].entries()) {
            renderer.push(text.slice(index === 0 ? 0 : cuts[index - 1], cut));
            if (cut === text.length) {
                renderer.ended = true;
                renderer.end();
            }
            await render();
            seen(element, cut);
        }
        return element;
    };

    const inline = (node) => {
        if (node.nodeType === Node.TEXT_NODE) return node.data.replace(/\n/g, " ");
        const inner = () => Array.from(node.childNodes, inline).join("");
        if (node.matches(".formula")) {
            const tex = node.querySelector("annotation")?.textContent.trim();
            const [open, close] = node.matches("div, .formula-display") ? ["⟦⟦", "⟧⟧"] : ["⟦", "⟧"];
            return tex === undefined ? node.textContent.replace(/\n/g, "⏎") : open + tex.replace(/\n/g, "⏎") + close;
        }
        if (node.matches("br")) return "⏎";
        if (node.matches("input")) return node.checked ? "[x]" : "[ ]";
        if (node.matches("img")) return `<img ${node.alt}>`;
        if (node.matches("a")) return node.hasAttribute("href") ? `<a ${node.getAttribute("href")}>${inner()}</a>` : inner();
        const tag = node.tagName.toLowerCase();
        return `<${tag}>${inner()}</${tag}>`;
    };
    const isInline = (node) => node.nodeType === Node.TEXT_NODE || INLINE.test(node.tagName);

    /** Describes an element's content, one line for each block. */
    const describe = (element, indent) => {
        const lines = [];
        let text = "";
        const flush = () => {
            if (text.trim()) lines.push(`${indent}| ${text.trim()}`);
            text = "";
        };
        for (const node of element.childNodes) {
            if (isInline(node)) {
                text += inline(node);
                continue;
            }
            flush();
            const tag = node.tagName.toLowerCase();
            if (node.matches("figure.code")) {
                const code = node.querySelector("code");
                lines.push(`${indent}code ${/language-(\S+)/.exec(code.className)?.[1] ?? ""}`.trimEnd());
                for (const line of code.textContent.replace(/\n$/, "").split("\n")) lines.push(`${indent}  > ${line}`);
            } else if (node.matches(".table")) {
                for (const row of node.querySelectorAll("tr")) {
                    const cells = Array.from(row.cells, (cell) => Array.from(cell.childNodes, inline).join(""));
                    const aligned = Array.from(row.cells, ({ align }) => ({ right: ">", center: "^", left: "<" })[align] ?? "");
                    lines.push(`${indent}row ${cells.map((cell, at) => aligned[at] + cell).join(" | ")}`);
                }
            } else if (node.matches("div.formula")) {
                lines.push(`${indent}formula ${inline(node)}`);
            } else if (node.matches(".formula-open")) {
                lines.push(`${indent}source ${node.textContent.replace(/\n/g, "⏎")}`);
            } else {
                const start = node.hasAttribute("start") ? ` ${node.getAttribute("start")}` : "";
                const kind = /callout-(?!title)\w+/.exec(node.className)?.[0] ?? /footnote|source/.exec(node.className)?.[0] ?? "";
                const inner = describe(node, `${indent}  `);
                const only = inner.length === 1 && /^ *\| /.test(inner[0]);
                const head = `${indent}${kind && tag !== "p" ? kind : tag}${start}`;
                if (only) lines.push(`${head} ${inner[0].trim()}`);
                else lines.push(head, ...inner);
            }
        }
        flush();
        return lines;
    };
    /** Waits until an element's formulas are typeset, over some frames. */
    window.typeset = async (element) => {
        while (element.querySelector(".formula:not([data-typeset])")) await new Promise(requestAnimationFrame);
    };
    window.outline = (element) => describe(element, "").join("\n");

    // KaTeX is there before the first case
    const warm = await window.show("$x$", []);
    await window.typeset(warm);
    warm.remove();
};
