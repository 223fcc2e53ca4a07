"""Laws of the page's pure modules, tried in the browser."""

from helpers.explore_site import Site

LINKS = """async () => {
  const { formatHash, parseHash } = await import("./static/app/links.js");
  const columns = ["level", "level_db", "classes", "split"].map((name) => ({ name }));
  const texts = ["a", "a b", "&", "=", "#", "%", "..", "x:y", "🔑", "<b>", "+", "-"];
  const text = (i) => texts[i % texts.length] + texts[(i * 7) % texts.length];
  const wrong = [];
  for (let i = 0; i < 144; i += 1) {
    const filters = new Map([
      ["classes", { [i % 2 ? "any" : "all"]: [text(i), text(i + 1)] }],
      ["level_db", { min: i % 3 ? -i : null, max: i % 3 === 1 ? null : i / 8 }],
    ]);
    if (i % 5 === 0) filters.set("split", { any: [text(i)] });
    const state = {
      clip: text(i), compare: i % 2 ? text(i + 3) : null, run: i % 3 ? text(i) : null, run2: null,
      view: { t: i / 4, yaw: -i, pitch: i / 2, fov: 90 },
      query: {
        shelf: i % 2 ? "in" : "out", q: text(i),
        sort: { name: "level_db", descending: i % 2 === 0 }, filters,
      },
    };
    const again = parseHash("#" + formatHash(state), columns);
    const plain = (one) => JSON.stringify([one, [...one.query.filters]]);
    if (plain(again) !== plain(state)) wrong.push([plain(state), plain(again)]);
  }
  return wrong;
}"""

PLACE = """async () => {
  const { Place, TALLEST_PX } = await import("./static/list/scroll.js");
  const wrong = [];
  for (const total of [300, 5000, TALLEST_PX, 3 * TALLEST_PX, 60 * TALLEST_PX]) {
    const place = new Place();
    let real = place.resize(total, 700);
    let seed = 1;
    for (let i = 0; i < 3000; i += 1) {
      seed = (seed * 48271) % 2147483647;
      const by = i % 50 === 0 ? (seed % (2 * TALLEST_PX)) - TALLEST_PX : (seed % 1400) - 600;
      const to = Math.min(Math.max(real + by, 0), place.realMost);
      const before = place.top;
      const moved = to - real;
      real = place.scrolled(to);
      const { top, most, realMost, step } = place;
      const expected = Math.min(Math.max(before + moved, 0), most);
      if (!(top >= 0 && top <= most)) wrong.push([total, i, "outside the list"]);
      if (!(real >= 0 && real <= realMost)) wrong.push([total, i, "outside the element"]);
      const small = Math.abs(moved) <= step;
      if (small && Math.abs(top - expected) > 1e-6) wrong.push([total, i, "step"]);
      if (real <= 0 && top > 60) wrong.push([total, i, "no way up", top]);
      if (real >= realMost && top < most - 60) wrong.push([total, i, "no way down", top]);
    }
  }
  return wrong;
}"""

DECISIONS = """async () => {
  const { reviewed, summary } = await import("./static/review/decisions.js");
  const made = (id, action, who, more = {}) => ({ id, action, who, ...more });
  const keep = made(1, "keep", "Ada"), reject = made(2, "reject", "Ben");
  return [
    reviewed([]), reviewed([keep]), reviewed([keep, reject]),
    reviewed([keep, made(2, "reject", "Ada")]), reviewed([keep, { ...reject, undone: true }]),
    summary([keep, reject]).verdict.id, summary([keep, reject]).newest, summary([]).newest,
  ];
}"""

STEP = """async () => {
  const { difference } = await import("./static/clip/compare.js");
  const at = (t, yaw, playing) => ({ t, yaw, pitch: 0, fov: 90, playing });
  return [
    difference(at(1, 0, false), at(1, 0, false)), difference(at(1, 10, false), at(1, 0, false)),
    difference(at(1.03, 0, true), at(1, 0, true)), difference(at(2, 0, true), at(1, 0, true)),
    difference(at(1, 0, true), at(1, 0, false)),
  ];
}"""


PATHS = """async () => {
  const { paths } = await import("./static/clip/facts.js");
  const at = (name, start_s, end_s) => ({ name, start_s, end_s });
  const list = [
    at("bird", 0, 0.5), at("bird", 0.5, 1), at("bird", 3, 4), at("bird", 0, 1), at("dog", 1, 2),
    { name: "surf" }, { name: "surf" },
  ];
  return paths(list).map((path) => [path[0].name, path.length]);
}"""

HIDDEN_METER = """async () => {
  const { DirectionsMeter } = await import("./static/viewer/directions_meter.js");
  const meter = new DirectionsMeter();
  meter.load({ sampleRate: 1000, getChannelData: () => new Float32Array(500).fill(0.1) });
  meter.draw(0.2, { azimuth: 0, hfov: 1 });
}"""


def test_the_meter_of_directions_can_be_drawn_while_the_page_hides_it(opened):
    opened(Site()).evaluate(HIDDEN_METER)


def test_the_laws_of_the_pure_modules_hold(opened):
    page = opened(Site())
    assert page.evaluate(LINKS) == []
    assert page.evaluate(PLACE) == []
    verdicts = ["undecided", "kept", "disagreed", "rejected", "kept", 2, 2, None]
    assert page.evaluate(DECISIONS) == verdicts
    assert page.evaluate(STEP) == [None, {"yaw": 10}, None, {"t": 2}, {"playing": True}]
    moving = [["bird", 2], ["bird", 1], ["bird", 1], ["dog", 1], ["surf", 1], ["surf", 1]]
    assert page.evaluate(PATHS) == moving
