// A recording that could not be sent waits in this browser, and is offered when there is a connection.

const STORE = "undertone-waiting";
const SHARED = "undertone-shared";
const PLACE = "/recording";

export async function keepWaiting(file) {
  if (!globalThis.caches) return false;
  const headers = { "Content-Type": file.type, "X-Name": encodeURIComponent(file.name), "X-Time": String(Date.now()) };
  await (await caches.open(STORE)).put(PLACE, new Response(file, { headers }));
  return true;
}

export async function forgetWaiting() {
  await globalThis.caches?.delete(STORE);
}

// What was shared into the site from elsewhere, once.
export async function takeShared() {
  if (!globalThis.caches || !new URLSearchParams(location.search).has("shared")) return null;
  history.replaceState(null, "", "/");
  const response = await (await caches.open(SHARED)).match("/shared");
  await caches.delete(SHARED);
  return response ? asFile(response) : null;
}

async function asFile(response) {
  const name = decodeURIComponent(response.headers.get("X-Name"));
  return new File([await response.blob()], name, { type: response.headers.get("Content-Type") });
}

export async function setUpWaiting(panel, { onSend }) {
  const offline = document.querySelector("[data-offline]");
  const show = async () => {
    offline.hidden = navigator.onLine;
    const response = await (await globalThis.caches?.open(STORE))?.match(PLACE);
    panel.hidden = !response;
    if (!response) return;
    const time = new Date(Number(response.headers.get("X-Time")));
    panel.querySelector("[data-time]").textContent = time.toLocaleString(document.documentElement.lang);
    const send = panel.querySelector('[data-action="send-waiting"]');
    send.disabled = !navigator.onLine;
    send.onclick = async () => onSend(await asFile(response.clone()));
    panel.querySelector('[data-action="forget-waiting"]').onclick = () => forgetWaiting().then(show);
  };
  addEventListener("online", show);
  addEventListener("offline", show);
  await show();
  return show;
}
