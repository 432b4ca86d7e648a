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

    const letters = (text) => text.replace(/[^\p{L}\p{N}]/gu, "");
    const shown = [];

    /**
     * Shows a text in pieces, and returns the longest task in ms, and whether it ended within a time.
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
        };
        shown.push(element.textContent);
        return result;
    };

    /* Returns how many letters were shown of each text, which is no work of the page: call when nothing is measured. */
    window.letters = () => shown.splice(0).map((text) => letters(text).length);

    /* Removes the text. The same. */
    window.clear = async () => {
        for (const each of document.querySelectorAll("#sluice-log > .prose")) each.remove();
        await frame();
    };
};
