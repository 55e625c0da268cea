// The service worker: opens the front page without a connection, and takes what a phone shares.
// It keeps no answers and no voices but the one clip that was shared, until the page takes it.

const SHELL = "undertone-shell-2";
const SHARED = "undertone-shared";
const OFFLINE = "/offline";
const ASSETS = [
  "/",
  OFFLINE,
  "/static/icon.svg",
  "/static/css/tokens.css",
  "/static/css/base.css",
  "/static/css/home.css",
  "/static/css/result.css",
  "/static/js/capture.js",
  "/static/js/clips.js",
  "/static/js/file.js",
  "/static/js/home.js",
  "/static/js/install.js",
  "/static/js/level.js",
  "/static/js/live.js",
  "/static/js/recorder.js",
  "/static/js/result.js",
  "/static/js/send.js",
  "/static/js/waiting.js",
  "/static/js/words.js",
];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(ASSETS)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith("undertone-shell-") && name !== SHELL).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method === "POST" && url.pathname === "/share") event.respondWith(takeShared(request));
  else if (request.method === "GET" && ASSETS.includes(url.pathname)) event.respondWith(fresh(request, url.pathname));
  else if (request.mode === "navigate" && request.method === "GET") event.respondWith(fetch(request).catch(() => caches.match(OFFLINE)));
});

// From the server while there is one, so that nothing old is shown; else what was kept.
async function fresh(request, path) {
  try {
    const response = await fetch(request);
    if (response.ok && !response.redirected) (await caches.open(SHELL)).put(path, response.clone());
    return response;
  } catch {
    return (await caches.match(path)) ?? Response.error();
  }
}

// The front page sends it by its ordinary form, with that form's protection against forgery.
async function takeShared(request) {
  const file = (await request.formData()).get("file");
  if (file) {
    const headers = { "Content-Type": file.type || "application/octet-stream", "X-Name": encodeURIComponent(file.name) };
    await (await caches.open(SHARED)).put("/shared", new Response(file, { headers }));
  }
  return Response.redirect("/?shared", 303);
}
