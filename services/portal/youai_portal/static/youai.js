// Small things that htmx leaves to the page: live or polling, hidden tabs, one press a form, charts.
(function () {
  "use strict";
  htmx.config.includeIndicatorStyles = false;
  htmx.config.allowEval = false;
  htmx.config.selfRequestsOnly = true;

  var polling = null;

  function poll() {
    document.querySelectorAll("[data-poll]").forEach(function (element) { htmx.trigger(element, "poll"); });
  }
  document.addEventListener("htmx:sseOpen", function () {
    document.documentElement.classList.add("streaming");
    clearInterval(polling);
    polling = null;
  });
  document.addEventListener("htmx:sseError", function (event) {
    event.preventDefault();
    document.documentElement.classList.remove("streaming");
    if (polling === null) { polling = setInterval(poll, 5000); }
  });

  // What somebody is filling in is never replaced under their hands; the page is whole again once they send it.
  document.addEventListener("input", function (event) {
    if (event.target.form) { event.target.form.dataset.touched = "1"; }
  });
  function busy(place) { return place.querySelector && place.querySelector("form[data-touched]") !== null; }
  document.addEventListener("htmx:sseBeforeMessage", function (event) {
    if (busy(event.target)) { event.preventDefault(); }
  });
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.target.id === "state" && busy(event.detail.target)) { event.detail.shouldSwap = false; }
  });

  // A browser opens few connections to one address: tabs that nobody looks at give theirs back.
  var leaving = null;
  document.addEventListener("visibilitychange", function () {
    var live = document.querySelector("[sse-connect]");
    if (!live) { return; }
    if (document.hidden) {
      leaving = setTimeout(function () {
        leaving = "left";
        document.documentElement.classList.remove("streaming");
        htmx.trigger(live, "htmx:beforeCleanupElement");
      }, 20000);
    } else if (leaving === "left") {
      leaving = null;
      location.reload();
    } else {
      clearTimeout(leaving);
      leaving = null;
    }
  });

  // One press is one command; the key in the form makes sure of it, this only spares the wait for a second answer.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.method !== "post" || event.defaultPrevented) { return; }
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(function () { delete form.dataset.sent; }, 8000);
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
  });

  // At the development sign-in: the role that fits the organization.
  document.addEventListener("change", function (event) {
    var role = event.target.dataset && event.target.dataset.role;
    var fits = role && document.querySelector("input[name=role][value=" + role + "]");
    if (fits) { fits.checked = true; }
  });

  // A question before what cannot be undone.
  document.addEventListener("submit", function (event) {
    var question = event.target.dataset.ask;
    if (question && !window.confirm(question)) {
      event.preventDefault();
      delete event.target.dataset.sent;
    }
  }, true);

  function draw() {
    var data = document.getElementById("charts");
    if (!data || typeof echarts === "undefined") { return; }
    var style = getComputedStyle(document.documentElement);
    var size = parseFloat(style.fontSize) * (document.documentElement.classList.contains("elder") ? 1 : 0.8125);
    var colours = ["--seal", "--deep", "--gold", "--leaf"].map(function (name) { return style.getPropertyValue(name).trim(); });
    var ink = style.getPropertyValue("--ink").trim();
    var all = JSON.parse(data.textContent);
    document.querySelectorAll("[data-chart]").forEach(function (place) {
      var one = all[place.dataset.chart];
      var chart = echarts.init(place, null, { renderer: "svg" });
      var narrow = place.clientWidth < 560;
      chart.setOption({
        animation: false,
        aria: { enabled: true },
        color: colours,
        textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: size, color: ink },
        grid: { left: 8, right: 24, top: 40, bottom: 8, containLabel: true },
        legend: { top: 0, left: 0, textStyle: { fontSize: size, color: ink }, itemHeight: size * 0.8 },
        tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, confine: true },
        xAxis: { type: "value", axisLabel: { fontSize: size, color: ink, hideOverlap: true }, max: place.dataset.max ? Number(place.dataset.max) : null },
        yAxis: {
          type: "category", data: one.names, inverse: place.dataset.inverse === "1", axisTick: { show: false },
          axisLabel: { fontSize: size, color: ink, width: (narrow ? 7 : 12) * size, overflow: "truncate" }
        },
        series: one.series.map(function (series) {
          return { type: "bar", name: series.name, data: series.data, barMaxWidth: 16, barGap: "10%" };
        })
      });
      // Its own place, not the window: what was drawn must never be what keeps the place wide.
      new ResizeObserver(function () { chart.resize(); }).observe(place);
    });
  }
  draw();
})();
