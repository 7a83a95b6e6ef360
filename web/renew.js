// Puts HTML into a box. Rows of a table that stay as they were are left alone: to lay all of them out anew takes longer
// than the rest of an edit.

function renew(box, html) {
  const made = document.createElement("template");
  made.innerHTML = html;
  exchange(box, made.content);
}

// Lets an element have the contents of another, keeping what is equal; of tables, row by row.
function exchange(old, made) {
  if (!old.children.length || old.children.length !== made.children.length) return old.replaceChildren(...made.childNodes);
  const pairs = [...old.children].map((each, index) => [each, made.children[index]]);
  for (const [before, after] of pairs) {
    if (before.isEqualNode(after)) continue;
    if (before.matches("table, tbody") && before.nodeName === after.nodeName) exchange(before, after);
    else before.replaceWith(after);
  }
}
