(function () {
  var table = document.querySelector("table[data-sort]"), body = table.tBodies[0], rows = Array.from(body.rows);
  var note = document.getElementById("shown"), filters = document.getElementById("filters");
  function value(row, at) { return row.cells[at].getAttribute("data-v") || ""; }
  function amount(text) { return parseFloat(text.replace(/\s/g, "").replace("\u2212", "-")); }
  table.querySelectorAll("th[data-k]").forEach(function (head) {
    var button = document.createElement("button");
    button.type = "button";
    button.append.apply(button, Array.from(head.childNodes));
    head.append(button);
    button.addEventListener("click", function () {
      var up = head.getAttribute("aria-sort") !== "ascending", at = head.cellIndex, number = head.dataset.k === "n";
      table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.sort(function (one, other) {
        var a = value(one, at), b = value(other, at);
        if (!a || !b) return a ? -1 : b ? 1 : 0;
        var order = number ? amount(a) - amount(b) : a.localeCompare(b);
        return up ? order : -order;
      });
      body.append.apply(body, rows);
    });
  });
  function apply() {
    var words = document.getElementById("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    var chosen = Array.from(filters.querySelectorAll("select")).filter(function (each) { return each.value; });
    var shown = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      var fits = words.every(function (word) { return text.includes(word); }) &&
        chosen.every(function (each) { return row.getAttribute("data-" + each.name) === each.value; });
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    note.textContent = shown === rows.length ? "" : shown + " of " + rows.length + " cells shown";
  }
  filters.querySelectorAll("select").forEach(function (select) {
    var values = Array.from(new Set(rows.map(function (row) { return row.getAttribute("data-" + select.name) || ""; })));
    values.filter(Boolean).sort().forEach(function (each) { select.add(new Option(each, each)); });
    if (values.length < 2) select.parentNode.hidden = true;
    select.addEventListener("change", apply);
  });
  document.getElementById("find").addEventListener("input", apply);
  filters.hidden = false;
})();
