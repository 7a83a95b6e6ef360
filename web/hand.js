// Mouse, pen and fingers on the film: one drags a point or the film, two zoom, a wheel zooms, a press without a drag
// is a press.

const REACH = { mouse: 12, pen: 16, touch: 26 }; // screen pixels within which a point is taken
const DRAG_FROM = 3; // screen pixels of movement that make a press a drag

class Hand {
  // on: { picks(): bool, grab(point), move(point, x, y), drop(point), cancel(point), press(x, y), hover(point) }
  constructor(stage, view, marks, on) {
    Object.assign(this, { stage, view, marks, on });
    this.pointers = new Map(); // id: [clientX, clientY]
    this.held = null; // { point, offset, start, moving } of a dragged point, { start, moving } of the film
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event, true));
    stage.addEventListener("pointerleave", () => this.pointers.size || on.hover(null));
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  under(event) {
    const [x, y] = this.view.toFilm(event.clientX, event.clientY);
    const reach = (REACH[event.pointerType] ?? REACH.mouse) / this.view.scale;
    return this.on.picks() ? this.marks.nearest(x, y, reach) : null;
  }

  down(event) {
    if (!this.view.size || event.button > 0 || event.target.closest(".ruler-box, .hint-box, .busy, button")) return;
    event.preventDefault();
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size > 1) {
      if (this.held?.point) this.on.cancel(this.held.point);
      this.held = null;
      return;
    }
    const point = this.under(event);
    const [x, y] = this.view.toFilm(event.clientX, event.clientY);
    this.held = { point, offset: point && [point.x - x, point.y - y], start: [event.clientX, event.clientY] };
    if (point) this.on.grab(point);
  }

  move(event) {
    if (!this.view.size) return;
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.on.hover(this.under(event));
    const now = [event.clientX, event.clientY];
    if (this.pointers.size === 2) this.pinch(event.pointerId, before, now);
    else if (this.held) this.drag(before, now);
    this.pointers.set(event.pointerId, now);
  }

  drag(before, now) {
    const { point, offset, start } = this.held;
    this.held.moving ||= Math.hypot(now[0] - start[0], now[1] - start[1]) >= DRAG_FROM;
    if (!this.held.moving) return;
    if (!point) return this.view.panBy(now[0] - before[0], now[1] - before[1]);
    const [x, y] = this.view.toFilm(...now);
    this.on.move(point, x + offset[0], y + offset[1]);
  }

  pinch(id, before, now) {
    const [, other] = [...this.pointers].find(([each]) => each !== id);
    const middle = (place) => [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2];
    const apart = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 1);
    const [from, to] = [middle(before), middle(now)];
    this.view.panBy(to[0] - from[0], to[1] - from[1]);
    this.view.zoomAt(...to, apart(now) / apart(before));
  }

  up(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return;
    const held = this.held;
    this.held = null;
    if (!held) return;
    if (held.point) {
      if (held.moving && !cancelled) this.on.drop(held.point);
      else if (held.moving) this.on.cancel(held.point);
    } else if (!held.moving && !cancelled) this.on.press(...this.view.toFilm(event.clientX, event.clientY));
  }

  wheel(event) {
    if (!this.view.size || event.target.closest(".ruler-box")) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0016; // a touchpad's pinch comes as a wheel with Ctrl, in small steps
    this.view.zoomAt(event.clientX, event.clientY, Math.exp(-event.deltaY * lines * speed));
  }
}
