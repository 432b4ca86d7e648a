/* Shows long texts as the page does, frame by frame, and measures the tasks that this takes. */
async () => {
    const { Markdown } = await pageModule("markdown/markdown.js");
    const { MarkdownView } = await pageModule("markdown/markdown_view.js");
    const { loadLibraries } = await pageModule("browser/libraries.js");
    const markdown = new Markdown(await loadLibraries());
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
    observer.observe({ type: "longtask" });
    const frame = () => new Promise(requestAnimationFrame);
    const task = () => new Promise((resolve) => setTimeout(resolve));

    /* In tasks of their own: they are no work of the page, and of many elements not short. */
    const lettersIn = async (element) => {
        const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
        let count = 0;
        for (let seen = 1; texts.nextNode(); seen++) {
            count += texts.currentNode.data.replace(/[^\p{L}\p{N}]/gu, "").length;
            if (seen % 2000 === 0) await task();
        }
        return count;
    };

    /**
     * Shows a text in pieces, and returns the longest task in ms, whether it ended within a time, and what is shown.
     */
    window.load = async ({ text, pieces, limitMs }) => {
        await window.clear();
        const element = document.createElement("div");
        element.className = "prose";
        document.querySelector("#sluice-log").append(element);
        const view = new MarkdownView(element);
        view.useMarkdown(markdown);
        await frame();
        observer.takeRecords();
        tasks.length = 0;
        const startedAt = performance.now();
        for (let piece = 1; piece < pieces; piece++) {
            view.grow(text.slice(0, Math.ceil((text.length * piece) / pieces)), () => {});
            await frame();
        }
        await task(); // one of its own, as when the page opens a conversation
        view.finish(text, () => {});
        while (element.getAttribute("aria-busy") !== "false" && performance.now() - startedAt < limitMs) await frame();
        for (const wait of [1, 2, 3]) await frame(), await new Promise((resolve) => setTimeout(resolve, wait)); // typesetting
        tasks.push(...observer.takeRecords().map(({ duration }) => duration));
        const result = {
            longest: Math.round(Math.max(0, ...tasks)),
            ended: element.getAttribute("aria-busy") === "false",
            totalMs: Math.round(performance.now() - startedAt),
            letters: await lettersIn(element),
        };
        return result;
    };

    /* Removes the text, which is no work of the page: call when nothing is measured. */
    window.clear = async () => {
        for (const each of document.querySelectorAll("#sluice-log > .prose")) each.remove();
        await frame();
    };
};
