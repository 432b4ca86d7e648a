"""Import of the files of ChatGPT and Open WebUI."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage

from .test_archive import choose, exported
from .test_conversations import titles


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open chat page."""
    return ChatPage(browser_page).open()


def node(own: str, parent: str | None, role: str, *parts: str, **message: Any) -> dict[str, Any]:
    """Return a node of a conversation that ChatGPT has exported."""
    content = {"content_type": "text", "parts": list(parts)}
    said = {
        "id": own,
        "author": {"role": role},
        "create_time": 1.7e9,
        "content": content,
        "status": "finished_successfully",
    }
    return {
        "id": own,
        "message": said | {"recipient": "all", "metadata": {}} | message,
        "parent": parent,
        "children": [],
    }


def tree(own: str, nodes: list[dict[str, Any]]) -> str:
    """Return the file of a conversation that ChatGPT has exported."""
    mapping = {each["id"]: each for each in nodes}
    return json.dumps([{"id": own, "title": own, "mapping": mapping, "current_node": nodes[-1]["id"]}])


def chats(**answers: dict[str, Any]) -> str:
    """Return the file of conversations of one question that Open WebUI has exported, by their titles."""
    files = []
    for title, answer in answers.items():
        asked = {"id": "q", "parentId": None, "role": "user", "content": f"{title}?", "timestamp": 1.7e9}
        answered = {"id": "a", "parentId": "q", "role": "assistant", "content": "Half", "done": True} | answer
        history = {"messages": {"q": asked, "a": answered}, "currentId": "a"}
        files.append({"id": title, "title": title, "chat": {"history": history}})
    return json.dumps(files)


def test_exports_of_chatgpt_and_open_webui_are_imported_with_their_branches(chat: ChatPage) -> None:
    nodes = [
        {"id": "root", "message": None, "parent": None, "children": ["system"]},
        node("system", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
        node("q1", "system", "user", "Why is the sky blue?"),
        node("a1", "q1", "assistant", "Because of **Rayleigh**\ue200cite\ue202turn0search0\ue201."),
        node("a2", "q1", "assistant", "Scattering."),
        node("q2", "a2", "user", "Run it"),
        node("t1", "q2", "assistant", content={"content_type": "code", "text": "print(1)"}, recipient="python"),
        node("t2", "t1", "tool", content={"content_type": "execution_output", "text": "1"}),
        node("a3", "t2", "assistant", "It prints 1."),
    ]
    chatgpt = [{"id": "6f", "conversation_id": "6f", "title": "Sky", "create_time": 1.7e9, "update_time": 1.7e9 + 5}]
    chatgpt[0] |= {"mapping": {each["id"]: each for each in nodes}, "current_node": "a3"}
    thought = (
        '<details type="reasoning" done="true" duration="2">\n<summary>Thought</summary>\n> It&#x27;s tea\n</details>'
        "\nTea."
    )
    said = [
        {
            "id": "u1",
            "parentId": None,
            "childrenIds": ["r1"],
            "role": "user",
            "content": "Drink?",
            "timestamp": 1700000000,
        },
        {"id": "r1", "parentId": "u1", "childrenIds": [], "role": "assistant", "content": thought, "done": True},
    ]
    history = {"messages": {each["id"]: each for each in said}, "currentId": "r1"}
    owui = [{"id": "c1", "title": "Tea", "created_at": 1600000000, "pinned": True, "chat": {"history": history}}]
    sentences = "1 conversation imported", "1 conversation imported", "This conversation is here already"
    for archive, sentence in zip((chatgpt, owui, chatgpt), sentences, strict=True):
        choose(chat, json.dumps(archive))
        expect(chat.page.locator(".import-result")).to_contain_text(sentence)
    expect(titles(chat)).to_have_text(["Tea", "Sky"])  # it was pinned there
    titles(chat).first.click()
    expect(chat.prose).to_have_text("Tea.")
    chat.page.locator(".reasoning summary").click()
    expect(chat.page.locator(".reasoning")).to_contain_text("It's tea")
    titles(chat).last.click()
    expect(chat.questions).to_have_text(["Why is the sky blue?", "Run it"])
    expect(chat.prose).to_have_text("It prints 1.")
    expect(chat.answers.first.locator("> .prose")).to_have_text("Scattering.")
    chat.answers.first.get_by_role("button", name="Previous version").click()
    expect(chat.prose).to_have_text("Because of Rayleigh.")


def test_an_import_names_models_images_and_files_and_counts_what_it_leaves_out(chat: ChatPage) -> None:
    image = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_1", "width": 8, "height": 8}
    photo = {"content_type": "multimodal_text", "parts": [image, "这是什么花？"]}
    files = [{"name": "花园.pdf", "mime_type": "application/pdf"}, {"name": "a.png", "mime_type": "image/png"}]
    canvas = {"content_type": "code", "language": "unknown", "text": '{"name": "plan", "content": "# 计划"}'}
    nodes = [
        {"id": "root", "message": None, "parent": None, "children": ["system"]},
        node("system", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
        node("q1", "system", "user", content=photo, metadata={"attachments": files}),
        node("t1", "q1", "assistant", content=canvas, recipient="canmore.create_textdoc"),
        node("t2", "t1", "tool", "Successfully created", recipient="assistant"),
        node("a1", "t2", "assistant", "这是**月季**。", metadata={"model_slug": "gpt-5"}),
        node("a2", "q1", "assistant", "这是玫瑰。", metadata={"model_slug": "gpt-5-mini"}),
    ]
    chatgpt = {"id": "7a", "title": "花", "create_time": 1.7e9, "mapping": {each["id"]: each for each in nodes}}
    chatgpt["current_node"] = "a1"
    called = '<details type="tool_calls" done="true" name="search">\n<summary>Done</summary>\n</details>\nParis.'
    said = {
        "u1": {
            "id": "u1",
            "parentId": None,
            "role": "user",
            "content": "首都？",
            "files": [{"type": "image", "url": "data:"}],
        },
        "r1": {
            "id": "r1",
            "parentId": "u1",
            "role": "assistant",
            "content": called,
            "model": "qwen3:8b",
            "done": True,
        },
        "r2": {
            "id": "r2",
            "parentId": "u1",
            "role": "assistant",
            "content": "Paris",
            "model": "llama3",
            "done": True,
        },
    }
    params = {"system": "用中文回答。", "temperature": 0.2}
    owui = {"id": "c2", "title": "首都", "chat": {"params": params, "history": {"messages": said, "currentId": "r1"}}}

    choose(chat, json.dumps([chatgpt]))
    expect(chat.page.locator(".import-result")).to_have_text(
        "1 conversation imported. 4 images, files, sources or tool messages were left out."
    )
    choose(chat, json.dumps([owui]))
    expect(chat.page.locator(".import-result")).to_have_text(
        "1 conversation imported. 2 images, files, sources or tool messages were left out."
    )
    titles(chat).filter(has_text="花").click()
    expect(chat.questions.locator("p")).to_have_text("[image]\n[花园.pdf]\n这是什么花？")
    expect(chat.prose).to_have_text("这是月季。")
    chat.show_details.click()
    expect(chat.details).to_contain_text("gpt-5")
    expect(chat.answer.locator(".branches")).to_contain_text("2")
    titles(chat).filter(has_text="首都").click()
    expect(chat.questions.locator("p")).to_have_text("[image]\n首都？")
    expect(chat.prose).to_have_text("Paris.")
    chat.show_details.click()
    expect(chat.details).to_contain_text("qwen3:8b")
    archive = exported(chat)
    kept = {each["title"]: each for each in archive["conversations"]}
    assert (kept["首都"]["systemPrompt"], kept["首都"]["temperature"]) == ("用中文回答。", 0.2)
    assert {each["figures"]["model"] for each in kept["花"]["exchanges"]} == {"gpt-5", "gpt-5-mini"}
    choose(chat, json.dumps(archive))
    expect(chat.page.locator(".import-result")).to_have_text("All 2 conversations are here already")
    chat.page.get_by_role("button", name="Settings").click()
    expect(chat.page.locator(".import-result")).to_be_empty()


def test_a_file_of_another_application_loses_no_words_images_or_conversations(chat: ChatPage) -> None:
    image = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_1"}
    shown = {"content_type": "multimodal_text", "parts": [image]}
    entity = 'It is \ue200entity\ue202["city","Paris","France"]\ue201\ue200cite\ue202turn0search0\ue201.'
    drawing = [
        node("q1", None, "user", "Draw the capital"),
        node("a1", "q1", "assistant", entity),
        node("t1", "a1", "tool", content=shown),
        node("t2", "t1", "tool", "DALL·E displayed 1 image.", recipient="assistant"),
    ]
    details = '<details type="{}" done="true">\n<summary>Done</summary>\n{}\n</details>\n'
    thoughts = [details.format("reasoning", f"> {thought}") for thought in ("First.", "Second.")]
    content = f"{thoughts[0]}I look.\n{details.format('tool_calls', '')}{thoughts[1]}Found."
    said = {
        "u1": {"id": "u1", "parentId": None, "role": "user", "content": "Where?", "timestamp": 1.7e9},
        "r1": {
            "id": "r1",
            "parentId": "u1",
            "role": "assistant",
            "content": "",
            "done": False,
            "timestamp": 1.7e9 + 1,
        },
    }
    other = {"u2": {"id": "u2", "parentId": None, "role": "user", "content": "Why?", "timestamp": 1.6e9}}

    def chats(said: dict[str, Any]) -> str:
        """Return the file of two conversations, which have no ids."""
        histories = [{"messages": each, "currentId": list(each)[-1]} for each in (said, other)]
        return json.dumps([{"title": "", "chat": {"history": history}} for history in histories])

    result = chat.page.locator(".import-result")
    choose(chat, json.dumps({"id": "8b", "title": "Capital", "mapping": {each["id"]: each for each in drawing}}))
    expect(result).to_have_text("1 conversation imported. 2 images, files, sources or tool messages were left out.")
    choose(chat, chats(said))
    expect(result).to_have_text("2 conversations imported")
    # a later file has the rest of an answer
    said["r1"] |= {"content": content, "done": True}
    choose(chat, chats(said))
    expect(result).to_have_text(
        "1 conversation updated, 1 here already. 1 image, file, source or tool message was left out."
    )
    titles(chat).filter(has_text="Capital").click()
    expect(chat.prose.locator("p")).to_have_text(["It is Paris.", "[image]"])
    titles(chat).filter(has_text="Where?").click()
    expect(chat.prose.locator("p")).to_have_text(["I look.", "Found."])
    chat.page.locator(".reasoning summary").click()
    expect(chat.page.locator(".reasoning p")).to_have_text(["First.", "Second."])


def test_an_answer_of_chatgpt_keeps_its_sources(chat: ChatPage) -> None:
    mark = "\ue200cite\ue202turn0search{}\ue201"
    news = {"title": "News", "url": "https://example.org/news", "attribution": "example.org"}
    further = {"title": "A\n second  site", "url": "https://example.com/2"}
    references = [
        {"type": "hidden", "matched_text": " "},
        {"type": "grouped_webpages", "items": [news | {"supporting_websites": [further]}]},
        {"type": "grouped_webpages", "items": [], "fallback_items": [{"url": "https://example.net/untitled"}]},
        {
            "type": "grouped_webpages",
            "items": [{"title": "", "url": "javascript:alert(1)"}, {"title": "x", "url": 7}],
        },
        {"type": "file", "name": "notes.pdf", "url": "/files/1"},
        {"type": "sources_footnote", "sources": [news]},
    ]
    cited = [{"metadata": {"type": "webpage", "title": "Older", "url": "http://example.edu/", "text": "Long ago"}}]
    nodes = [
        node("q1", None, "user", "What is new?"),
        node("a1", "q1", "assistant", "I search.", metadata={"content_references": references[:2]}),
        node(
            "a2",
            "a1",
            "assistant",
            f"A model {mark.format(0)}. It is used {mark.format(1)}{mark.format(2)}",
            metadata={"content_references": references, "citations": cited},
        ),
    ]
    choose(chat, tree("News", nodes))
    expect(chat.page.locator(".import-result")).to_have_text(
        "1 conversation imported. 1 image, file, source or tool message was left out."
    )
    titles(chat).first.click()
    expect(chat.prose.locator("p")).to_have_text(["I search.", "A model. It is used"])
    links = chat.answer.locator(".sources a")
    expect(links).to_have_text(["News", "A second site", "https://example.net/untitled", "Older"])
    addresses = [each.get_attribute("href") for each in links.all()]
    assert addresses[:2] == ["https://example.org/news", "https://example.com/2"]
    expect(chat.answer.locator(".sources li > span[dir]")).to_have_text(["x", "notes.pdf"])
    archive = exported(chat)
    choose(chat, json.dumps(archive))
    expect(chat.page.locator(".import-result")).to_have_text("This conversation is here already")


def test_links_in_an_answer_of_chatgpt_stay_and_lost_pictures_and_maps_are_counted(chat: ChatPage) -> None:
    named = "\ue200url\ue202The [old] guide\ue202turn0search3\ue201"
    answer = (
        "See \ue200url\ue202Manual\ue202https://example.org/a b\ue201, "
        f"{named} and \ue200url\ue202a book\ue202turn0search9\ue201 \ue200cite\ue202turn0search0\ue201"
        "\ue200memcite\ue201.\n\n"
        '\ue200image_group\ue202{"query":["a","b"]}\ue201\n\n\ue200map\ue202turn0map0\ue201\n\n'
        'Buy \ue200product_entity\ue202["turn0product1","a Widget"]\ue201 in \ue200entity["city","Oslo"]\ue201.'
    )
    reference = {"matched_text": named, "type": "grouped_webpages", "items": [{"url": "https://example.com/guide"}]}
    metadata = {"content_references": [reference]}
    nodes = [node("q1", None, "user", "Where?"), node("a1", "q1", "assistant", answer, metadata=metadata)]
    choose(chat, tree("Links", nodes))
    expect(chat.page.locator(".import-result")).to_have_text(
        "1 conversation imported. 2 images, files, sources or tool messages were left out."
    )
    titles(chat).first.click()
    expect(chat.prose.locator("p")).to_have_text(["See Manual, The [old] guide and a book.", "Buy a Widget in Oslo."])
    addresses = [each.get_attribute("href") for each in chat.prose.locator("a").all()]
    assert addresses == ["https://example.org/a%20b", "https://example.com/guide"]


def test_an_answer_of_open_webui_keeps_its_sources(chat: ChatPage) -> None:
    page = {"source": "https://example.org/notes", "title": "Notes"}
    sources = [
        {
            "source": {"name": "search", "urls": [page["source"]]},
            "document": ["x" * 3000, "two", "three", "four"],
            "metadata": [page, *({"source": f"file-{number}", "name": "plan.txt"} for number in (1, 2)), page],
        },
        {"source": {"name": "Other", "url": "https://example.com/"}},
        {"source": {}, "document": [""], "metadata": [{}]},
    ]
    many = [{"source": {"name": f"Number {number}", "id": f"{number}"}, "document": [""]} for number in range(502)]
    choose(chat, chats(Few={"sources": sources}, Many={"sources": many}))
    expect(chat.page.locator(".import-result")).to_have_text(
        "2 conversations imported. 3 images, files, sources or tool messages were left out."
    )
    titles(chat).filter(has_text="Few").click()
    expect(chat.answer.locator(".sources li > [dir]:first-child")).to_have_text(
        ["Notes", "plan.txt", "plan.txt", "Other"]
    )
    expect(chat.answer.locator(".sources a")).to_have_count(2)
    kept = {each["title"]: each["exchanges"][0]["parts"] for each in exported(chat)["conversations"]}
    assert len(kept["Many"]) == 500
    assert kept["Few"][0] == {"kind": "source", "title": "Notes", "url": page["source"], "text": "x" * 500 + "…"}


def test_an_imported_answer_that_failed_or_is_not_whole_says_so(chat: ChatPage) -> None:
    failed = "This answer failed in the application that exported it."
    cut = "The imported file does not have the whole answer."
    answers = {
        "Refused": {"content": "", "error": {"content": "500: Ollama"}},
        "Broken": {"error": {"message": "cut"}},
        "Odd": {"content": "", "error": True},
        "Unfinished": {"done": False},
        "Empty": {"content": "", "done": False},
    }
    choose(chat, chats(**answers))
    half = {"status": "in_progress"}
    choose(chat, tree("Running", [node("q1", None, "user", "Why?"), node("a1", "q1", "assistant", "Half", **half)]))
    half = {"status": "finished_partial_completion"}
    choose(chat, tree("Long", [node("q1", None, "user", "Why?"), node("a1", "q1", "assistant", "Half", **half)]))
    choose(chat, tree("Unanswered", [node("q1", None, "user", "Why?")]))
    stopped = {"metadata": {"finish_details": {"type": "interrupted", "reason": "client_stopped"}}}
    choose(
        chat, tree("Stopped", [node("q1", None, "user", "Why?"), node("a1", "q1", "assistant", "Half", **stopped)])
    )
    for title in [*answers, "Running", "Long", "Unanswered"]:
        titles(chat).filter(has_text=title).click()
        expect(chat.questions).to_have_text("Why?" if title in ("Running", "Long", "Unanswered") else f"{title}?")
        expect(chat.failure).to_have_text(failed if title in ("Refused", "Broken", "Odd") else cut)
        expect(chat.page.locator(".ending .note")).to_have_count(0)
    titles(chat).filter(has_text="Stopped").click()
    expect(chat.page.locator(".ending .note")).to_have_text("You stopped this answer.")
    expect(chat.failure).to_have_count(0)


def test_a_later_file_completes_an_answer_that_kept_its_time(chat: ChatPage) -> None:
    def answered(text: str, **message: Any) -> str:
        return tree("Grown", [node("q1", None, "user", "Why?"), node("a1", "q1", "assistant", text, **message)])

    result = chat.page.locator(".import-result")
    choose(chat, answered("Half of", status="in_progress"))
    choose(chat, chats(Tea={"content": "Half of", "done": False, "timestamp": 1.7e9}))
    choose(chat, answered("Half of the", status="in_progress"))
    expect(result).to_have_text("1 conversation updated")
    for whole in (
        answered("Half of the whole."),
        chats(Tea={"content": "Half of the whole.", "done": True, "timestamp": 1.7e9}),
    ):
        choose(chat, whole)
        expect(result).to_have_text("1 conversation updated")
        choose(chat, whole)
        expect(result).to_have_text("This conversation is here already")
    for title in titles(chat).all():
        title.click()
        expect(chat.prose).to_have_text("Half of the whole.")
        expect(chat.failure).to_have_count(0)


def test_another_version_of_an_imported_answer_that_failed_is_kept(chat: ChatPage) -> None:
    said = [
        {"id": "q", "parentId": None, "role": "user", "content": "Why?"},
        {"id": "a", "parentId": "q", "role": "assistant", "content": "", "error": {"content": "500"}},
        {"id": "b", "parentId": "q", "role": "assistant", "content": "Because."},
    ]
    said = [each | {"done": True, "timestamp": 1.7e9 + number} for number, each in enumerate(said)]
    history = {"messages": {each["id"]: each for each in said}, "currentId": "b"}
    choose(chat, json.dumps([{"id": "c", "title": "Why", "chat": {"history": history}}]))
    titles(chat).first.click()
    expect(chat.prose).to_have_text("Because.")
    expect(chat.failure).to_have_count(0)
    chat.answer.get_by_role("button", name="Previous version").click()
    expect(chat.failure).to_have_text("This answer failed in the application that exported it.")


def test_a_later_file_shows_its_new_messages_in_the_version_that_was_shown_there(chat: ChatPage) -> None:
    nodes = [node("q1", None, "user", "Why?"), node("a1", "q1", "assistant", "Because.")]
    choose(chat, tree("Grown", nodes))
    expect(chat.page.locator(".import-result")).to_have_text("1 conversation imported")
    nodes += [node("q2", "a1", "user", "Really?"), *(node(own, "q2", "assistant", own) for own in ("a3", "a2"))]
    archive = tree("Grown", nodes).replace('"current_node": "a2"', '"current_node": "a3"')
    choose(chat, archive)
    expect(chat.page.locator(".import-result")).to_have_text("1 conversation updated")
    titles(chat).first.click()
    expect(chat.prose).to_have_text("a3")
    chat.answer.get_by_role("button", name="Next version").click()
    expect(chat.prose).to_have_text("a2")
    choose(chat, archive)
    expect(chat.page.locator(".import-result")).to_have_text("This conversation is here already")
    expect(chat.prose).to_have_text("a2")


def test_details_of_a_whole_imported_answer_name_only_what_is_known(chat: ChatPage) -> None:
    counts = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 3}
    answers = {
        "Named": {"model": "llama3", "usage": counts},
        "Counted": {"usage": counts},
        "Unknown": {"model": "llama3", "usage": {"prompt_tokens": -1, "completion_tokens": 5}},
        "Unfinished": {"model": "llama3", "done": False, "usage": counts},
    }
    choose(chat, chats(**answers))
    shown = {
        "Named": ["llama3", "10 input, 5 output"],
        "Counted": ["10 input, 5 output"],
        "Unknown": ["llama3"],
        "Unfinished": ["llama3", "not counted: the answer did not finish"],
    }
    for title, values in shown.items():
        titles(chat).filter(has_text=title).click()
        expect(chat.questions).to_have_text(f"{title}?")
        chat.show_details.click()
        expect(chat.details.locator("dd")).to_have_text(values)
