if (!window.explainfbPage) {
  window.explainfbPage = true;
  // A key that is held down is one press: the keyboard repeats it, and each repetition would answer another question.
  // In the capture phase, so that it comes before Streamlit's own listener.
  window.addEventListener("keydown", event => {
    if (event.repeat && !["INPUT", "TEXTAREA"].includes(event.target.tagName)) event.stopImmediatePropagation();
  }, true);
  // A press on a piece of the picture is one on its button, which is there for the keyboard and for screen readers.
  document.addEventListener("click", event => {
    const piece = event.target.closest?.("[data-piece]")?.dataset.piece;
    if (piece !== undefined) document.querySelector(`[class*="st-key-piece-${piece}-"] button`)?.click();
  });
  // Clips: what moves can be stopped, and then looked at picture by picture. All of them stand still, or none.
  const root = document.documentElement, clips = () => document.querySelectorAll(".clip");
  const moving = clip => [clip, clip.parentElement.querySelector(".clip-time div")].map(each => each.getAnimations()[0]);
  const seek = (clip, frame) => {
    for (const each of moving(clip))
      each.currentTime = (frame + .5) / clip.dataset.frames * each.effect.getTiming().duration;
  };
  const stop = still => {
    root.classList.toggle("clips-stopped", still);
    if (still) for (const clip of clips()) {
      const {duration} = moving(clip)[0].effect.getTiming(), at = (moving(clip)[0].currentTime % duration) / duration;
      const slider = clip.parentElement.querySelector(".clip-at");
      slider.value = Math.floor(at * clip.dataset.frames);
      seek(clip, +slider.value);  // the slider says which is seen
    }
  };
  root.classList.toggle("clips-stopped", matchMedia("(prefers-reduced-motion: reduce)").matches);
  document.addEventListener("click", event => {
    if (event.target.closest?.(".clips-stop")) stop(!root.classList.contains("clips-stopped"));
  });
  document.addEventListener("keydown", event => {
    if (["INPUT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "range") return;
    if (!event.ctrlKey && !event.metaKey && !event.altKey)
      document.querySelector(`.clips-stop[data-key="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
  });
  document.addEventListener("input", event => {
    if (event.target.matches?.(".clip-at"))
      seek(event.target.parentElement.querySelector(".clip"), +event.target.value);
  });
  const said = document.createElement("div");
  said.id = "announced";
  said.setAttribute("aria-live", "polite");
  said.style.cssText = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)";
  document.body.append(said);
  let shown = null, since = 0, waiting = null;
  const look = () => {
    waiting = null;
    const marks = [...document.querySelectorAll("[data-direction]")].at(-1)?.dataset;
    if (marks) {
      document.documentElement.lang = marks.language;
      document.documentElement.dir = marks.direction;
    }
    const heading = document.querySelector("h1[data-screen]");
    if (!heading || heading.dataset.screen === shown) return;
    const first = shown === null;
    shown = heading.dataset.screen;
    since = performance.now();
    if (first) return;
    // the new question, and what the classifier says on either side; the pictures have their own words
    const words = [heading, ...document.querySelectorAll(".caption.says")].map(each => each.textContent.trim());
    said.textContent = words.join(". ");
    heading.focus();
  };
  // The next question's pictures are here already. At the press that answers they are laid over the present ones, until
  // the server has stored the answer and drawn the question itself. Nothing that React made is changed.
  const DOUBLE = 400; // milliseconds; a press before is taken for the second half of one, and answers nothing
  const HEARD = 1500, LOST = 10000; // by when the server has begun, and been heard of again, or the press is lost
  const isRunning = () => document.querySelector("[data-testid=stApp]")?.dataset.testScriptState !== "notRunning";
  const area = () => document.querySelector("[class*=st-key-pair-]:not([data-ahead]), [class*=st-key-several-]:not([data-ahead])");
  const ahead = pressed => {
    const next = document.querySelector("[data-after]")?.dataset;
    const heading = document.querySelector("h1[data-screen]")?.dataset.screen;
    const early = performance.now() - since < DOUBLE || shown !== heading;
    if (!next || next.after !== heading || early || isRunning() || document.querySelector("[data-ahead]")) return;
    if (next.ends.split(" ").some(end => pressed(...end.split(",")))) lay(heading);
  };
  const lay = before => {
    const present = area(), copy = present?.cloneNode(true);
    const sides = [...document.querySelector("[data-after]").children];
    const places = [...copy?.querySelectorAll("[class*=st-key-side-]") ?? []];
    if (places.length === 0 || places.length !== sides.length) return;
    const captions = [...copy.querySelectorAll(".caption.says")];
    sides.forEach((side, number) => {
      const [caption, picture, original] = side.cloneNode(true).children;
      captions[number].replaceWith(caption);
      const old = places[number].querySelector("[class*=st-key-picture-] :is(.pieces, img)");
      const drawn = picture.firstElementChild;
      if (old.matches("img") && drawn.matches("img")) old.src = drawn.src;
      else old.replaceWith(drawn);
      places[number].querySelector("[class*=st-key-beneath-] img").src = original.src;
    });
    copy.dataset.ahead = "";
    copy.ariaHidden = "true";
    copy.style.background = getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor;
    present.append(copy);
    leave(copy, before, performance.now());
  };
  const leave = async (copy, before, start, heard = false) => {
    const waited = performance.now() - start;
    heard ||= isRunning();
    const asks = document.querySelector("h1[data-screen]")?.dataset.screen !== before;
    if (copy.isConnected && waited < LOST && (isRunning() || (!asks && !heard && waited < HEARD))) {
      requestAnimationFrame(() => leave(copy, before, start, heard));
      return;
    }
    await Promise.all([...area()?.querySelectorAll(":scope img") ?? []].map(image => image.decode().catch(() => null)));
    copy.remove();
  };
  window.addEventListener("keydown", event => {
    const types = event.target.closest?.("input, textarea, [contenteditable=true]");
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || types) return;
    ahead((_, ...keys) => keys.includes(event.key.length === 1 ? event.key.toLowerCase() : event.key));
  }, true);
  document.addEventListener("click", event => {
    if (event.target.closest?.("[data-ahead]")) event.stopImmediatePropagation();
    else if (event.target.closest?.("button")) ahead(name => event.target.closest(`[class*="st-key-${name}-"]`));
  }, true);
  // the page is drawn in many small steps: looked at when they pause
  new MutationObserver(() => { waiting ??= setTimeout(look, 60); }).observe(document.body, {childList: true, subtree: true});
  look();
}
