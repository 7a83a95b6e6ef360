// The points that a film lacks: a list from which one is chosen, and then put where the user presses on the film.

const FEW = 10; // of them are shown at once by their names, more as symbols behind a line to open

class Missing {
  // on: { choose(symbol or null): which one the next press places }
  constructor(box, say, on) {
    Object.assign(this, { box, say, on });
    this.list = box.querySelector(".missing-list");
    this.symbols = [];
    this.placing = null; // symbol that the next press on the film places
    this.list.addEventListener("click", (event) => {
      const symbol = event.target.closest("button")?.dataset.symbol;
      if (symbol) this.choose(symbol === this.placing ? null : symbol);
    });
  }

  // titles: { symbol: title } of all that there could be; points: Map of those that there are.
  show(titles, points) {
    const before = this.symbols.length;
    this.titles = titles;
    this.symbols = Object.keys(titles).filter((symbol) => !points.has(symbol));
    if (this.symbols.length > before) this.box.open = this.symbols.length <= FEW;
    this.box.hidden = !this.symbols.length;
    this.box.querySelector(".missing-count").textContent = this.symbols.length;
    this.list.replaceChildren(...this.symbols.map((symbol) => this.button(symbol)));
    if (!this.symbols.includes(this.placing)) this.choose(null);
  }

  button(symbol) {
    const button = document.createElement("button");
    const title = `${this.say(this.titles[symbol])} (${symbol})`;
    Object.assign(button, { type: "button", textContent: this.symbols.length <= FEW ? title : symbol, title });
    button.dataset.symbol = symbol;
    button.setAttribute("aria-label", title);
    button.setAttribute("aria-pressed", symbol === this.placing);
    return button;
  }

  choose(symbol) {
    if (symbol === this.placing) return;
    this.placing = symbol;
    for (const each of this.list.children) each.setAttribute("aria-pressed", each.dataset.symbol === symbol);
    this.on.choose(symbol);
  }
}
