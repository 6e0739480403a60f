"""`stage/dom.js`: content that is changed in place is what it would be if it were written anew."""

from __future__ import annotations

import random

SCRIPTS = ("dom",)
UPDATED = """texts => texts.map(text => {
  const home = document.body, fresh = document.createElement('div');
  fresh.innerHTML = text;
  dom.update(home, {text});
  const now = [...home.childNodes], wanted = [...fresh.childNodes];  // their attributes may stand in another order
  const same = now.length === wanted.length && now.every((node, i) => node.isEqualNode(wanted[i]));
  return [same, home.innerHTML, text];
})"""


def content(rng: random.Random, depth: int = 0) -> str:
    """Markup of a few elements and texts, some with attributes."""
    parts = []
    for _ in range(rng.randrange(4)):
        if depth == 3 or rng.random() < 0.3:
            parts.append(rng.choice(["one", "two", "<!-- why -->"]))
            continue
        tag = rng.choice(["p", "b", "section"] if depth == 0 else ["b", "i", "span"])
        given = "".join(
            f' {name}="{rng.choice("xyz")}"' for name in ("title", "data-a", "hidden") if rng.random() < 0.4
        )
        parts.append(f"<{tag}{given}>{content(rng, depth + 1)}</{tag}>")
    return "".join(parts)


def test_an_update_gives_what_writing_it_anew_gives(page):
    rng = random.Random(0)
    texts = [content(rng) for _ in range(400)]
    for same, found, wanted in page.evaluate(UPDATED, texts):
        assert same, f"{found} instead of {wanted}"


def test_an_update_keeps_what_stays_and_the_keyboards_place(page):
    kept = page.evaluate("""() => {
      const row = (score, more) => `<table><tbody>
        <tr class="now"><td><button>cat</button></td><td>${score}</td></tr>${more}</tbody></table>`;
      dom.update(document.body, {text: row('.5', '')});
      const button = document.querySelector('button'), cell = document.querySelector('td + td');
      const {firstChild} = cell;
      button.focus();
      dom.update(document.body, {text: row('.6', '<tr><td>dog</td></tr>')});
      return [document.activeElement === button, document.querySelector('td + td').firstChild === firstChild,
        cell.textContent, document.querySelectorAll('tr').length];
    }""")
    assert kept == [True, True, ".6", 2]


def test_a_text_that_stays_is_not_written(page):
    changes = page.evaluate("""async () => {
      document.body.innerHTML = '<p>one</p><p></p><p>a<b>b</b></p>';
      const [one, none, mixed] = document.querySelectorAll('p'), seen = [];
      const watch = new MutationObserver(all => seen.push(...all.map(it => it.target.textContent)));
      watch.observe(document.body, {subtree: true, childList: true, characterData: true});
      dom.text(one, 'one');
      dom.text(none, '');
      dom.text(mixed, 'ab');
      await 0;
      const quiet = seen.length;
      dom.text(one, 'two');
      dom.text(none, 'three');
      dom.text(mixed, 'four');
      await 0;
      return [quiet, seen, document.body.textContent];
    }""")
    assert changes == [0, ["two", "three", "four"], "twothreefour"]
