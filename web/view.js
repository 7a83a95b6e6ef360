// How a film lies under its marks: zoom, pan, brightness, contrast and invert.
//
// Places are film pixels with pixel centres at whole numbers, so a film covers -0.5 to width - 0.5. `scale` is
// screen pixels per film pixel. The picture and the drawing over it move together.

const MOST_SCALE = 40;
const SHOW_PIXELS_FROM = 4; // screen pixels per film pixel, from where a film's own pixels are worth seeing

class View {
  constructor(stage, picture, drawing, onChange) {
    Object.assign(this, { stage, picture, drawing, onChange });
    this.size = null; // { width, height } of the film
    this.scale = 1;
    this.left = 0; // film place at the stage's upper left corner
    this.top = 0;
    this.tone = { brightness: 1, contrast: 1, invert: false };
    this.fitted = true;
    new ResizeObserver(() => this.size && (this.fitted ? this.fit() : this.draw())).observe(stage);
  }

  show(url, width, height) {
    this.size = { width, height };
    this.picture.src = url;
    this.picture.style.width = `${width}px`;
    this.picture.style.height = `${height}px`;
    this.fit();
  }

  get room() {
    return { width: this.stage.clientWidth, height: this.stage.clientHeight };
  }

  get fitScale() {
    const { width, height } = this.room;
    return Math.min(width / this.size.width, height / this.size.height) || 1;
  }

  fit() {
    this.scale = this.fitScale;
    this.left = (this.size.width - this.room.width / this.scale) / 2 - 0.5;
    this.top = (this.size.height - this.room.height / this.scale) / 2 - 0.5;
    this.fitted = true;
    this.draw();
  }

  // The film place under a point of the browser's window.
  toFilm(clientX, clientY) {
    const box = this.stage.getBoundingClientRect();
    return [this.left + (clientX - box.left) / this.scale, this.top + (clientY - box.top) / this.scale];
  }

  // The film place in the middle of what is seen.
  get middle() {
    return [this.left + this.room.width / this.scale / 2, this.top + this.room.height / this.scale / 2];
  }

  toStage(x, y) {
    return [(x - this.left) * this.scale, (y - this.top) * this.scale];
  }

  // Zooms so that the film place under (clientX, clientY) stays there.
  zoomAt(clientX, clientY, factor) {
    const [x, y] = this.toFilm(clientX, clientY);
    const least = this.fitScale * 0.5;
    const scale = Math.min(Math.max(this.scale * factor, least), Math.max(MOST_SCALE, least));
    this.left = x - ((x - this.left) * this.scale) / scale;
    this.top = y - ((y - this.top) * this.scale) / scale;
    this.scale = scale;
    this.settle();
  }

  zoomMiddle(factor) {
    const box = this.stage.getBoundingClientRect();
    this.zoomAt(box.left + box.width / 2, box.top + box.height / 2, factor);
  }

  panBy(screenX, screenY) {
    this.left -= screenX / this.scale;
    this.top -= screenY / this.scale;
    this.settle();
  }

  // Keeps some film in sight.
  settle() {
    const { width, height } = this.room;
    const slackX = width / this.scale / 2;
    const slackY = height / this.scale / 2;
    this.left = Math.min(Math.max(this.left, -slackX), this.size.width - slackX);
    this.top = Math.min(Math.max(this.top, -slackY), this.size.height - slackY);
    this.fitted = false;
    this.draw();
  }

  // Brings a place into sight, if it is not.
  reveal(x, y) {
    const [stageX, stageY] = this.toStage(x, y);
    const { width, height } = this.room;
    const margin = 24;
    const away = (at, room) => (at < margin ? margin - at : at > room - margin ? room - margin - at : 0);
    const moveX = away(stageX, width);
    const moveY = away(stageY, height);
    if (moveX || moveY) this.panBy(moveX, moveY);
  }

  setTone(change) {
    Object.assign(this.tone, change);
    const { brightness, contrast, invert } = this.tone;
    this.picture.style.filter =
      (invert ? "invert(1) " : "") + `brightness(${brightness}) contrast(${contrast})`;
  }

  draw() {
    const { width, height } = this.room;
    const [x, y] = this.toStage(-0.5, -0.5);
    this.picture.style.transform = `translate(${x}px, ${y}px) scale(${this.scale})`;
    this.picture.style.imageRendering = this.scale >= SHOW_PIXELS_FROM ? "pixelated" : "auto";
    const box = [this.left, this.top, width / this.scale, height / this.scale];
    this.drawing.setAttribute("viewBox", box.join(" "));
    this.onChange();
  }
}
