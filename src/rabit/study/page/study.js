import { Refusal, call, identify, notice, pause, store, stored } from "./connection.js";

// A rater's token stands in the link behind the #, which browsers do not send with requests for
// pages and pictures; it goes along with requests for trials and answers only.
const $ = (id) => document.getElementById(id);
const VIEWS = ["loading", "welcome", "trial", "review", "thanks", "refused"];
// Sizes of a choice, in CSS pixels: its picture's width, and what frame and caption add.
const WIDEST = 560;
const SMALLEST = 130;
const FRAME = 28;
const CAPTION = 64;
const STORED = "study-token:" + location.pathname;

let token = null;
let session = null;
let place = 0;
let chosen = null;
let shownAt = null;
let busy = false;

function show(view) {
  for (const name of VIEWS) $(name).hidden = name !== view;
  scrollTo(0, 0);
  const heading = $(view).querySelector("h1");
  if (heading) heading.focus({ preventScroll: true });
}

function refuse(text) {
  notice("");
  $("reason").textContent = text;
  show("refused");
}

function become(value) {
  token = value;
  identify(value);
}

function keepToken(value) {
  become(value);
  store(STORED, value);
  history.replaceState(null, "", "#t=" + value);
}

async function begin() {
  const link = /^#t=([A-Za-z0-9_-]+)$/.exec(location.hash);
  become(link ? link[1] : stored(STORED));
  const about = await call("api/study");
  document.title = about.title;
  $("title").textContent = about.title;
  $("introduction").textContent = about.introduction;
  $("consent").textContent = about.consent;
  $("amount").textContent = `There are ${about.trials} questions, one at a time.`;
  if (token) {
    try {
      session = await call("api/session");
      keepToken(token);
    } catch (error) {
      if (!(error instanceof Refusal) || link) throw error;
      store(STORED, null); // left over from another study at this address
      become(null);
    }
  }
  if (token && session.consented) return resume();
  if (!token && !about.open) throw new Refusal("This study is for invited raters. Use your link.");
  show("welcome");
}

async function start() {
  if (busy) return;
  busy = true;
  $("start").disabled = true;
  try {
    keepToken((await call("api/start", { consent: true })).token);
    session = await call("api/session");
    await resume();
  } finally {
    busy = false;
  }
}

// An answer that was on its way when the page was closed is sent first.
async function resume() {
  const left = stored("study-pending:" + token);
  if (left && !session.finished) {
    try {
      const pending = JSON.parse(left);
      await call("api/answers", pending);
      session.answers[pending.trial] = pending.choice;
    } catch { /* it was refused, or is none: its question is asked again */ }
  }
  store("study-pending:" + token, null);
  if (session.finished) return show("thanks");
  const open = session.trials.findIndex((trial) => !(trial.id in session.answers));
  if (open < 0) return show("review");
  place = open;
  showTrial();
}

function address(picture) {
  return "pictures/" + picture.id + ".png";
}

// Shows a picture, trying again while it cannot be loaded.
function load(img, picture) {
  img.width = picture.width;
  img.height = picture.height;
  img.dataset.picture = picture.id;
  return new Promise((resolve) => {
    let tries = 0;
    img.onload = () => resolve();
    img.onerror = async () => {
      notice("A picture cannot be loaded. Trying again.");
      await pause(tries);
      tries += 1;
      if (img.dataset.picture === picture.id) img.src = address(picture) + "?again=" + tries;
    };
    img.src = address(picture);
  });
}

async function showTrial() {
  const at = place;
  const trial = session.trials[at];
  const question = session.questions[trial.question];
  const total = session.trials.length;
  $("position").textContent = `Question ${at + 1} of ${total}`;
  $("done").style.width = (100 * at) / total + "%";
  $("done").setAttribute("aria-valuemax", total);
  $("done").setAttribute("aria-valuenow", at);
  $("question").textContent = question.text;
  $("hint").textContent = question.hint;
  $("back").disabled = at === 0;
  $("saving").textContent = "";
  chosen = null;
  shownAt = null;
  $("choices").setAttribute("aria-busy", "true");
  const loads = [load($("condition"), trial.condition), load($("exemplar"), trial.exemplar)];
  const choices = trial.choices.map((picture, i) => makeChoice(picture, i, trial.choices.length, loads));
  const group = $("choices");
  group.replaceChildren(group.querySelector("legend"), ...choices);
  if (trial.id in session.answers) choose(trial.choices.findIndex((p) => p.id === session.answers[trial.id]));
  update();
  show("trial");
  arrange();
  await Promise.all(loads);
  if (place !== at || session.trials[at] !== trial) return;
  notice("");
  shownAt = performance.now();
  $("choices").setAttribute("aria-busy", "false");
  update();
  const following = session.trials[at + 1];
  if (following) {
    for (const picture of [following.condition, following.exemplar, ...following.choices]) {
      new Image().src = address(picture);
    }
  }
}

function makeChoice(picture, index, count, loads) {
  const label = document.createElement("label");
  label.className = "choice";
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "choice";
  input.value = picture.id;
  input.setAttribute("aria-label", `Picture ${index + 1} of ${count}`);
  input.addEventListener("change", () => choose(index));
  const img = document.createElement("img");
  img.alt = `Picture ${index + 1}`;
  loads.push(load(img, picture));
  const under = document.createElement("span");
  under.className = "under";
  const number = document.createElement("span");
  number.className = "number";
  number.textContent = index + 1;
  const enlarge = document.createElement("button");
  enlarge.type = "button";
  enlarge.className = "enlarge";
  enlarge.textContent = "Enlarge";
  enlarge.setAttribute("aria-label", `Enlarge picture ${index + 1}`);
  enlarge.addEventListener("click", () => magnify(img));
  under.append(number, enlarge);
  label.append(input, img, under);
  return label;
}

// The number of columns with which the pictures are largest while all are seen at once; where they
// would be too small for that, two columns and a page that scrolls.
function arrange() {
  if ($("trial").hidden) return;
  const group = $("choices");
  const { width, height } = session.trials[place].choices[0];
  const count = inputs().length;
  const top = group.getBoundingClientRect().top + scrollY;
  const room = innerHeight - top - $("next").closest("footer").offsetHeight - 24;
  const across = (columns) => Math.min(group.clientWidth / columns - FRAME, WIDEST);
  let columns = Math.min(count, 2);
  let widest = 0;
  for (let tried = innerWidth > 720 ? columns : 1; tried <= count; tried += 1) {
    const down = room / Math.ceil(count / tried) - CAPTION;
    const fits = Math.min(across(tried), (down * width) / height);
    if (fits > widest) [columns, widest] = [tried, fits];
  }
  if (widest < SMALLEST) [columns, widest] = [Math.min(count, 2), across(2)];
  group.style.setProperty("--columns", columns);
  group.style.setProperty("--widest", `${Math.floor(widest) + 16}px`);
}

function inputs() {
  return [...$("choices").querySelectorAll("input")];
}

function choose(index) {
  const all = inputs();
  if (index < 0 || index >= all.length || busy) return;
  chosen = index;
  all[index].checked = true;
  update();
}

function update() {
  $("next").disabled = chosen === null || shownAt === null || busy;
  $("next").textContent = place + 1 === session.trials.length ? "To the end" : "Next";
}

async function next() {
  if (chosen === null || shownAt === null || busy) return;
  const trial = session.trials[place];
  const answer = {
    trial: trial.id,
    choice: trial.choices[chosen].id,
    submission: newId(),
    milliseconds: Math.min(Math.round(performance.now() - shownAt), 1000000000),
  };
  if (session.answers[answer.trial] !== answer.choice) {
    busy = true;
    for (const input of inputs()) input.disabled = true;
    $("back").disabled = true;
    update();
    $("saving").textContent = "Saving…";
    store("study-pending:" + token, JSON.stringify(answer));
    try {
      await call("api/answers", answer);
    } finally {
      busy = false;
    }
    store("study-pending:" + token, null);
    session.answers[answer.trial] = answer.choice;
  }
  place += 1;
  if (place < session.trials.length) showTrial();
  else show("review");
}

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

function back() {
  if (busy || place === 0) return;
  place -= 1;
  showTrial();
}

function reviewBack() {
  place = session.trials.length - 1;
  showTrial();
}

async function finish() {
  if (busy) return;
  busy = true;
  $("finish").disabled = true;
  try {
    await call("api/finish", {});
  } finally {
    busy = false;
    $("finish").disabled = false;
  }
  show("thanks");
}

function magnify(img) {
  const dialog = $("large");
  dialog.querySelector("img").src = img.src;
  dialog.querySelector("img").alt = img.alt;
  dialog.showModal();
}

function key(event) {
  if ($("trial").hidden || $("large").open || event.ctrlKey || event.altKey || event.metaKey) return;
  const count = inputs().length;
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (/^[1-9]$/.test(event.key) && Number(event.key) <= count) {
    focusChoice(Number(event.key) - 1);
  } else if (step) {
    event.preventDefault();
    focusChoice(chosen === null ? (step > 0 ? 0 : count - 1) : (chosen + step + count) % count);
  } else if (event.key === "Enter" && event.target.tagName !== "BUTTON") {
    event.preventDefault();
    guarded(next)();
  }
}

function focusChoice(index) {
  if (busy) return;
  choose(index);
  inputs()[index].focus();
}

// What was refused is said; nothing is silently dropped.
function guarded(action) {
  return async () => {
    try {
      await action();
    } catch (error) {
      refuse(error instanceof Refusal ? error.message : "Something went wrong. Load the page again; your answers are kept.");
      if (!(error instanceof Refusal)) throw error;
    }
  };
}

$("start").addEventListener("click", guarded(start));
$("next").addEventListener("click", guarded(next));
$("back").addEventListener("click", back);
$("review-back").addEventListener("click", reviewBack);
$("finish").addEventListener("click", guarded(finish));
$("large").addEventListener("click", () => $("large").close());
for (const button of document.querySelectorAll(".look")) {
  button.addEventListener("click", () => magnify(button.querySelector("img")));
}
document.addEventListener("keydown", key);
addEventListener("resize", arrange);
addEventListener("hashchange", () => location.reload());
guarded(begin)();
