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

  // Countdowns go by the server's clock. Of this machine's only the steady counter is used, never its time of day.
  var ahead = null;  // server's time less performance.now(), never more than it is: nothing opens too early
  var timer = null;
  function heard(at) {
    document.querySelectorAll("[data-now]").forEach(function (one) {
      var found = Number(one.dataset.now) - at;
      if (ahead === null || found > ahead) { ahead = found; }
    });
  }
  function remaining(ms) {
    var seconds = Math.max(0, Math.ceil(ms / 1000)), english = document.documentElement.lang === "en";
    var days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24;
    var minutes = Math.floor(seconds / 60) % 60, rest = seconds % 60;
    function two(number) { return (number < 10 ? "0" : "") + number; }
    if (days) { return english ? days + " d " + hours + " h" : days + "天" + hours + "小时"; }
    if (hours) { return english ? hours + " h " + two(minutes) + " min" : hours + "小时" + two(minutes) + "分"; }
    if (minutes) { return english ? minutes + " min " + two(rest) + " s" : minutes + "分" + two(rest) + "秒"; }
    return rest + (english ? " s" : "秒");
  }
  function count() {
    clearTimeout(timer);
    if (ahead === null) { return; }
    var now = ahead + performance.now(), next = Infinity;
    document.querySelectorAll("[data-until]").forEach(function (one) {
      var left = Number(one.dataset.until) - now, told = left > 0 ? remaining(left) : one.dataset.over;
      if (one.textContent !== told) { one.textContent = told; }
      if (left > 0) { next = Math.min(next, left % 1000 || 1000); }
    });
    document.querySelectorAll("form[data-opens]").forEach(function (form) {
      if (!form.dataset.wakes) {
        // In a draw nobody is early within the window, so the rush is spread a little; else all at once.
        form.dataset.wakes = Number(form.dataset.opens) + (form.dataset.mode === "draw" ? Math.random() * 900 : 0);
      }
      var left = Number(form.dataset.wakes) - now;
      form.querySelector("button").disabled = left > 0;
      if (left > 0) {
        next = Math.min(next, left);
      } else {
        delete form.dataset.opens;
        setTimeout(poll, 200 + Math.random() * 2000);  // the state above says so too, not for everybody at once
      }
    });
    if (next < Infinity) { timer = setTimeout(count, Math.min(next + 1, 60000)); }
  }
  var loaded = performance.getEntriesByType("navigation")[0];
  heard(loaded && loaded.responseStart ? loaded.responseStart : performance.now());
  count();
  ["htmx:sseMessage", "htmx:afterSwap"].forEach(function (name) {
    document.addEventListener(name, function () { heard(performance.now()); count(); });
  });
  document.addEventListener("visibilitychange", count);

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
