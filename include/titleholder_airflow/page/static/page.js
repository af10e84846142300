/* The theme of the Airflow around this page, and links that leave it: Airflow shows the page in a sandboxed frame, out of
   which only an anchor of the frame's parent may lead. Everything else works without a script. */
"use strict";

const framed = window.parent !== window;

function theme() {
  const chosen = localStorage.getItem("theme");
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function outermost() {
  let window_ = window;
  while (window_.parent !== window_) window_ = window_.parent;
  return window_.document;
}

function leave(event) {
  const link = event.target.closest("a[data-out]");
  if (!link || !framed || event.defaultPrevented) return;
  event.preventDefault();
  const anchor = outermost().createElement("a");
  anchor.href = link.href;
  anchor.rel = "noopener";
  if (link.dataset.out === "new" || event.ctrlKey || event.metaKey) anchor.target = "_blank";
  anchor.click();
}

/* A frame is high enough for a report; one that only says why there is none shrinks to its message. */
function fit() {
  for (const frame of document.querySelectorAll("iframe.card")) {
    const shrink = () => {
      const message = frame.contentDocument && frame.contentDocument.querySelector("body.part");
      if (message) frame.style.height = `${frame.contentDocument.documentElement.scrollHeight + 2}px`;
    };
    frame.addEventListener("load", shrink);
    shrink();
  }
}

/* A chart that is wider than the window is scrolled to its newest months. */
function newest() {
  for (const chart of document.querySelectorAll(".scroll > svg.chart")) chart.parentNode.scrollLeft = chart.parentNode.scrollWidth;
}

theme();
addEventListener("storage", theme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);
addEventListener("click", leave);
addEventListener("DOMContentLoaded", fit);
addEventListener("load", newest);
