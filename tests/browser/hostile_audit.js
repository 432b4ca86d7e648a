async () => {
    const { Markdown } = await pageModule("markdown/markdown.js");
    const { loadLibraries } = await pageModule("browser/libraries.js");
    window.markdown = new Markdown(await loadLibraries());
    const probe = document.createElement("p");
    probe.append(window.markdown.render(window.markdown.blocks("$x$", {})));
    document.body.append(probe);
    window.markdown.enhance(probe, {growing: false});
    // typeset at last, and with it all that was shown before
    window.settled = async () => {
        while (!probe.querySelector(".katex")) await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
    };

    const TAGS = new RegExp(
        "^(h[1-6]|p|br|hr|blockquote|pre|code|kbd|samp|ul|ol|li|dl|dt|dd|table|caption|colgroup|col|thead|tbody|tr|t[hd]|" +
            "strong|b|em|i|s|u|del|ins|mark|wbr|small|su[bp]|abbr|a|img|span|div|details|summary|input|" +
            "figure|figcaption|button)$", "i");
    const ATTRIBUTES = /^(href|target|rel|src|alt|title|class|align|start|colspan|rowspan|type|checked|disabled|dir|tabindex|role|aria-label|data-label|data-text|data-typeset|open|width|loading|decoding)$/;
    const OURS = /^(figure|figcaption|button|col|colgroup)$/i;
    const CLASSES = /^(source|group|footnote|footnote-(reference|label)|callout|callout-(title|note|tip|important|warning|caution)|formula|formula-(display|open|unreadable)|language-[\w+#.-]+|code|lines|table|short|long|whole-words|continued|fixed|quiet|icon-button|copy-code|wrap-code|task|hljs-[\w-]+|function_|class_|inherited__|language_|host|katex.*)$/;
    // What a parser writes before it is sanitised: known tags, known attributes, no address that runs.
    const WRITTEN = /^(href|src|alt|title|class|align|start|type|checked|disabled|style)$/;
    window.auditHtml = (root) => [...root.querySelectorAll("*")].flatMap((element) => [
        ...(TAGS.test(element.tagName) && !OURS.test(element.tagName) ? [] : ["tag: " + element.outerHTML]),
        ...[...element.attributes].filter(({ name, value }) =>
            !WRITTEN.test(name) || /^[\s\0-\x20]*(javascript|vbscript|data:(?!image\/(png|jpeg|gif|webp|avif)))/i.test(value)
        ).map(({ name, value }) => `attribute: ${name}=${value}`),
    ]);

    window.audit = (root) => {
        const wrong = [];
        for (const element of root.querySelectorAll("*")) {
            if (element.closest(".katex")) {
                // KaTeX's own: nothing in it may be operated, loaded or named
                if (element.matches("a, img, script, iframe, [href], [src], [id], [name]")) wrong.push(element.outerHTML);
                const { position, inset, backgroundImage } = getComputedStyle(element);
                if (position === "fixed" || /url/.test(backgroundImage)) wrong.push(element.outerHTML);
                if (Math.max(element.offsetWidth || 0, element.offsetHeight || 0) > 5000) wrong.push("huge: " + element.outerHTML);
                continue;
            }
            // the icon and the name of a button above code
            const button = element.closest("figure.code > figcaption > button");
            if (button && element !== button) {
                if (!element.matches("svg.icon, svg.icon > use[href^='#sluice-icon-'], span.label")) wrong.push(element.outerHTML);
                continue;
            }
            if (!TAGS.test(element.tagName)) wrong.push("tag: " + element.outerHTML);
            if (OURS.test(element.tagName) && !element.closest("figure.code, table.fixed")) wrong.push(element.outerHTML);
            for (const { name, value } of element.attributes) {
                if (name === "aria-pressed" && element.matches("button.wrap-code")) continue;
                if (!ATTRIBUTES.test(name)) wrong.push(`attribute: ${name}=${value}`);
                if (/^\s*(javascript|vbscript|data:text|data:image.svg)/i.test(value)) wrong.push(`value: ${name}=${value}`);
            }
            for (const name of element.classList) if (!CLASSES.test(name)) wrong.push("class: " + name);
            if (element.matches("a[href]")) {
                if (!/^(https?|mailto):/.test(element.href)) wrong.push("link: " + element.outerHTML);
                if (element.target !== "_blank" || element.rel !== "noopener noreferrer") wrong.push(element.outerHTML);
                if (/[\u202a-\u202e\u2066-\u2069\u200b]/.test(element.textContent)) wrong.push("hidden: " + element.outerHTML);
            }
            if (element.matches("img") && !/^data:image\/(png|jpeg|gif|webp|avif);/.test(element.src)) wrong.push(element.outerHTML);
            if (element.matches("input:not([type=checkbox][disabled])")) wrong.push(element.outerHTML);
        }
        root.addEventListener("click", (event) => event.preventDefault());
        for (const element of root.querySelectorAll("*")) {
            for (const type of ["mouseover", "focus", "toggle", "load", "error", "click"]) {
                if (!element.matches("button")) element.dispatchEvent(new Event(type, {bubbles: true, cancelable: true}));
            }
        }
        if (window.pwned) wrong.push("a script ran");
        if (document.body.attributes.length > 1 || document.querySelectorAll("#sluice-log").length > 1) wrong.push("clobbered");
        return wrong;
    };
}
