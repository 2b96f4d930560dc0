// Plots as SVG text: lines over a numeric axis, or points over named places, with the spread of the rounds.

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Something to compare with, not a measurement of ours. */
  readonly dashed?: boolean;
}

export interface Axis {
  readonly title: string;
  readonly log?: boolean;
  /** Names in place of numbers: x is then an index. */
  readonly names?: readonly string[];
}

export interface Plot {
  /** What it says, in a sentence. */
  readonly title: string;
  /** Below it: how to read it. */
  readonly note?: string;
  /** Bars beside each other over each name, in place of lines; what is dashed is a line across them. */
  readonly bars?: boolean;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

const WIDTH = 560;
const HEIGHT = 320;
const LEFT = 64;
const RIGHT = 16;
const TOP = 30;
const BOTTOM = 46;
const LEGEND_LINE = 16;
/** Of what is compared with: it is no measurement of ours. */
const GREY = '#777';
/** Of the width that a name has. */
const BARS_SHARE = 0.7;
const COLOURS = [
  '#1b6ca8',
  '#c8553d',
  '#3a8f5c',
  '#8a4fa3',
  '#b8860b',
  '#4a4a4a',
  '#d6589f',
  '#2a9d9d',
  '#7a5c3e',
];
/** In place of 0 on a logarithmic axis, as a share of the smallest value above it. */
const LOG_FLOOR_SHARE = 0.5;

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);

/** A number as an axis shows it: short, and without digits that say nothing. */
export function label(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (Math.abs(value) >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return `${Number(value.toPrecision(3))}`;
}

/** Round values from 0 to at least `top`, about five of them. */
export function linearTicks(top: number): number[] {
  if (!(top > 0)) return [0, 1];
  const raw = top / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw * 0.999)!;
  return Array.from({ length: Math.ceil((top / step) * 0.999) + 1 }, (_, i) => i * step);
}

/** Powers of ten around both. */
export function logTicks(low: number, top: number): number[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.max(first + 1, Math.ceil(Math.log10(top)));
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

interface Scale {
  readonly ticks: readonly number[];
  /** From 0 to 1. */
  at(value: number): number;
}

function scaleOf({ log, names }: Axis, values: readonly number[]): Scale {
  if (names) {
    const width = names.length;
    return { ticks: names.map((_, i) => i), at: (value) => (value + 0.5) / width };
  }
  const top = Math.max(0, ...values);
  const positive = values.filter((value) => value > 0);
  if (!log || positive.length === 0) {
    const ticks = linearTicks(top);
    return { ticks, at: (value) => value / ticks.at(-1)! };
  }
  const floor = Math.min(...positive) * (values.some((value) => value <= 0) ? LOG_FLOOR_SHARE : 1);
  const ticks = logTicks(floor, top);
  const [low, high] = [Math.log10(ticks[0]!), Math.log10(ticks.at(-1)!)];
  return { ticks, at: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low) };
}

const n = (value: number): string => value.toFixed(1);

export function svgOf({ title, x, y, series, bars }: Plot): string {
  const points = series.flatMap((each) => each.points);
  const xs = scaleOf(
    x,
    points.map((point) => point.x),
  );
  const ys = scaleOf(
    y,
    points.flatMap((point) => [point.y, point.low ?? point.y, point.high ?? point.y]),
  );
  const px = (value: number) => LEFT + xs.at(value) * (WIDTH - LEFT - RIGHT);
  const py = (value: number) => HEIGHT - BOTTOM - ys.at(value) * (HEIGHT - TOP - BOTTOM);
  const height = HEIGHT + Math.ceil(series.length / 2) * LEGEND_LINE + 4;
  const text = (cx: number, cy: number, content: string, more: string) =>
    `<text x="${n(cx)}" y="${n(cy)}" ${more}>${escapeHtml(content)}</text>`;
  const yTicks = ys.ticks.map(
    (tick) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(py(tick))}" y2="${n(py(tick))}"/>` +
      text(LEFT - 6, py(tick) + 4, label(tick), 'text-anchor="end"'),
  );
  const xTicks = xs.ticks.map((tick) =>
    text(px(tick), HEIGHT - BOTTOM + 16, x.names?.[tick] ?? label(tick), 'text-anchor="middle"'),
  );
  const middle = (HEIGHT - BOTTOM + TOP) / 2;
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(title)}">`,
    text(LEFT, 16, title, 'class="title"'),
    ...yTicks,
    ...xTicks,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x.title, 'text-anchor="middle"'),
    text(14, middle, y.title, `text-anchor="middle" transform="rotate(-90 14 ${n(middle)})"`),
    ...(bars
      ? barsSvg(series, x.names!.length, px, py)
      : series.map((each, i) => seriesSvg(each, colourOf(each, i), px, py))),
    ...series.map((each, i) => legendSvg(each, i)),
    '</svg>',
  ].join('\n');
}

const colourOf = ({ dashed }: Series, i: number): string => (dashed ? GREY : COLOURS[i % COLOURS.length]!);

type Place = (value: number) => number;

/** From the smallest to the largest. */
const rangeSvg = ({ low, high }: Point, x: number, colour: string, py: Place): string =>
  low === undefined || high === undefined
    ? ''
    : `<line x1="${n(x)}" x2="${n(x)}" y1="${n(py(low))}" y2="${n(py(high))}" stroke="${colour}"/>`;

function barsSvg(series: readonly Series[], names: number, px: Place, py: Place): string[] {
  const measured = series.filter(({ dashed }) => !dashed);
  const group = ((WIDTH - LEFT - RIGHT) / names) * BARS_SHARE;
  const width = group / measured.length;
  return series.map((each, i) => {
    const at = measured.indexOf(each);
    const marks = each.points.map((point) => {
      const middle = px(point.x);
      const title = `<title>${escapeHtml(`${each.name}: ${label(point.y)}`)}</title>`;
      const colour = colourOf(each, i);
      if (each.dashed)
        return `<g>${title}<line x1="${n(middle - group / 2)}" x2="${n(middle + group / 2)}" y1="${n(py(point.y))}" y2="${n(py(point.y))}" stroke="${colour}" stroke-width="2" stroke-dasharray="6 4"/></g>`;
      const left = middle - group / 2 + at * width;
      const height = py(0) - py(point.y);
      const bar = `<rect x="${n(left + 1)}" y="${n(py(point.y))}" width="${n(width - 2)}" height="${n(height)}" fill="${colour}"/>`;
      const value = `<text x="${n(left + width / 2)}" y="${n(py(point.high ?? point.y) - 4)}" text-anchor="middle">${label(point.y)}</text>`;
      return `<g>${title}${bar}${rangeSvg(point, left + width / 2, '#222', py)}${value}</g>`;
    });
    return marks.join('');
  });
}

function seriesSvg({ name, points, dashed }: Series, colour: string, px: Place, py: Place): string {
  const line = points.map((point) => `${n(px(point.x))},${n(py(point.y))}`).join(' ');
  const dash = dashed ? ' stroke-dasharray="6 4"' : '';
  const marks = points.map((point) => {
    const { x, y } = point;
    const range = rangeSvg(point, px(x), colour, py);
    const dot = dashed ? '' : `<circle cx="${n(px(x))}" cy="${n(py(y))}" r="3" fill="${colour}"/>`;
    return `<g><title>${escapeHtml(`${name}: ${label(y)}`)}</title>${range}${dot}</g>`;
  });
  return `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="1.5"${dash}/>${marks.join('')}`;
}

function legendSvg(series: Series, i: number): string {
  const { name, dashed } = series;
  const x = LEFT + (i % 2) * ((WIDTH - LEFT) / 2);
  const y = HEIGHT + Math.floor(i / 2) * LEGEND_LINE + 6;
  const dash = dashed ? ' stroke-dasharray="6 4"' : '';
  const colour = colourOf(series, i);
  return (
    `<line x1="${n(x)}" x2="${n(x + 20)}" y1="${n(y - 4)}" y2="${n(y - 4)}" stroke="${colour}" stroke-width="2"${dash}/>` +
    `<text x="${n(x + 26)}" y="${n(y)}">${escapeHtml(name)}</text>`
  );
}
