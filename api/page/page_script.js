/*
 * The page at /: sessions as they are, and one of them followed.
 *
 * Who looks is logged in by a cookie that no script sees, or has a key in this tab's sessionStorage.
 * The list is asked for again and again while the tab is seen; events come as a stream that is read
 * with fetch, because EventSource cannot send a key.
 * Whatever a session says is put on the page as text, never as markup.
 */
'use strict';
(() => {
  const KEY = 'fairlead.key', ROWS_MAX = 4000, PER_PAGE = 50;
  const LIST_MS = 2000, COUNTS_MS = 4000, RETRY_MS = 1000, RETRY_MAX_MS = 15000;
  const TERMINAL = ['stopped', 'completed', 'failed', 'cancelled'];
  const GROUPS = [
    { name: 'All', states: [], look: 'quiet' },
    { name: 'Waiting', states: ['queued', 'provisioning'], look: 'wait' },
    { name: 'Running', states: ['running', 'pausing', 'resuming', 'stopping'], look: 'run' },
    { name: 'Paused', states: ['paused'], look: 'wait' },
    { name: 'Completed', states: ['completed'], look: 'good' },
    { name: 'Failed', states: ['failed'], look: 'bad' },
    { name: 'Stopped', states: ['stopped', 'cancelled'], look: 'quiet' },
  ];
  const $ = (id) => document.getElementById(id);
  let key = sessionStorage.getItem(KEY) || '';
  let session = null; // of the cookie, when there is no key
  let group = GROUPS[0], pages = 1, listing = false, chosen = null, follower = null;

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const lookOf = (state) => (GROUPS.find((g) => g.states.includes(state)) || GROUPS[0]).look;
  const badge = (state) => make('span', 'state ' + lookOf(state), state);
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  const age = (then) => {
    const s = Math.max(0, Math.round((Date.now() - Date.parse(then)) / 1000));
    if (s < 60) return s + ' s ago';
    if (s < 3600) return Math.floor(s / 60) + ' min ago';
    return s < 86400 ? Math.floor(s / 3600) + ' h ago' : Math.floor(s / 86400) + ' d ago';
  };

  class Refused extends Error {
    constructor(status, text) { super(text); this.status = status; }
  }

  const problemOf = async (answer) => {
    try {
      const problem = await answer.json();
      const rules = Object.entries(problem.errors || {}).map(([name, broken]) => name + ' ' + broken.join(', '));
      return rules.join('; ') || problem.detail || problem.title;
    } catch {
      return 'HTTP ' + answer.status;
    }
  };

  const isIn = () => key !== '' || session !== null;

  const get = async (path, more) => {
    const own = key ? { Authorization: 'ApiKey ' + key } : {};
    const answer = await fetch(path, { ...more, headers: { ...own, ...(more && more.headers) } });
    if (!answer.ok) throw new Refused(answer.status, await problemOf(answer));
    return answer;
  };

  const post = (path, body) => get(path, {
    method: 'POST',
    headers: { ...(body && { 'Content-Type': 'application/json' }),
      ...(session && { 'X-CSRF-Token': session.csrfToken }) },
    body: body && JSON.stringify(body),
  });

  const tell = (text, bad) => {
    $('health').textContent = text;
    $('health').classList.toggle('bad', Boolean(bad));
  };

  /* ---- the list ---- */

  const query = (states, perPage, page) => {
    const parts = new URLSearchParams({ perPage });
    if (states.length > 0) parts.set('status', states.join(','));
    if (page) parts.set('page', page);
    return '/api/v1/sessions?' + parts;
  };

  const fillItem = (button, session) => {
    const title = session.prompt.split('\n', 1)[0] || '(no prompt)';
    const settings = session.agent.settings || {};
    const argv = (settings.argv || []).join(' ');
    button.replaceChildren(make('span', 'what', title), badge(session.status),
      make('span', 'sub', age(session.createdAt) + ' · ' + (argv && argv !== session.prompt ? argv : session.agent.type)));
    button.title = title;
    button.setAttribute('aria-current', String(chosen !== null && chosen.id === session.id));
  };

  const showList = (items, more) => {
    const list = $('sessions'), old = new Map();
    for (const item of list.children) old.set(item.dataset.id, item);
    const fresh = items.map((session) => {
      let item = old.get(session.id);
      if (!item) {
        item = make('li');
        item.dataset.id = session.id;
        item.append(make('button'));
        item.firstChild.type = 'button';
      }
      item.firstChild.onclick = () => choose(session);
      fillItem(item.firstChild, session);
      return item;
    });
    const focused = document.activeElement;
    list.replaceChildren(...fresh);
    if (focused && list.contains(focused)) focused.focus();
    $('no-sessions').hidden = items.length > 0;
    $('more').hidden = !more;
    const now = chosen && items.find((session) => session.id === chosen.id);
    if (now) showChosen(now);
  };

  const readList = async () => {
    let items = [], next = '';
    for (let i = 0; i < pages; i++) {
      const page = await (await get(query(group.states, PER_PAGE, next))).json();
      items = items.concat(page.items);
      next = page.nextPage || '';
      if (!next) break;
    }
    return { items, more: next !== '' };
  };

  const refresh = async () => {
    const asked = group, many = pages;
    const { items, more } = await readList();
    if (asked === group && many === pages) showList(items, more);
  };

  const readCounts = async () => {
    const totals = await Promise.all(GROUPS.map(async (g) =>
      (await (await get(query(g.states, 1))).json()).total));
    GROUPS.forEach((g, i) => { g.button.querySelector('b').textContent = totals[i]; });
  };

  const refused = (error) => {
    if (error instanceof Refused && error.status === 401) {
      leave(key ? 'This key is not accepted: ' + error.message + '.' : 'You are logged out.');
    } else {
      tell(error instanceof Refused ? error.message : 'The server cannot be reached; trying again.', true);
    }
  };

  const keepListing = async () => {
    if (listing) return;
    listing = true;
    let countsAt = 0;
    while (isIn()) {
      if (!document.hidden) {
        try {
          await refresh();
          if (Date.now() >= countsAt) {
            await readCounts();
            countsAt = Date.now() + COUNTS_MS;
          }
          tell('live');
        } catch (error) {
          refused(error);
        }
      }
      await sleep(LIST_MS);
    }
    listing = false;
  };

  /* ---- one session ---- */

  const showChosen = (session) => {
    chosen = session;
    $('chosen-title').textContent = session.prompt || '(no prompt)';
    const facts = [badge(session.status), make('span', 'mono', session.id),
      make('span', '', 'attempt ' + Math.max(1, session.attempts) + ' of ' + session.maxAttempts)];
    if (session.worker) facts.push(make('span', '', 'on ' + session.worker));
    if (session.exitCode !== undefined) facts.push(make('span', '', 'exit ' + session.exitCode));
    if (session.reason) facts.push(make('span', '', session.reason));
    $('chosen-facts').replaceChildren(...facts);
  };

  const linkSays = (text, bad) => {
    $('link').textContent = text;
    $('link').classList.toggle('bad', Boolean(bad));
  };

  const patchView = (event) => {
    const box = make('details');
    box.append(make('summary', '', 'diff ' + event.path));
    const pre = make('pre', 'patch');
    for (const line of (event.patch || event.newText || '').trimEnd().split('\n')) {
      const look = line.startsWith('+') ? 'add' : line.startsWith('-') ? 'del' : line.startsWith('@@') ? 'at' : '';
      pre.append(make('span', look, line + '\n'));
    }
    box.append(pre);
    return box;
  };

  const rest = (event) => {
    const { type, ts, sessionId, seq, id, ...own } = event;
    return type + ' ' + JSON.stringify(own);
  };

  const view = (event) => {
    const row = make('div', 'row'), say = make('div', 'say');
    const time = make('time', '', event.ts ? new Date(event.ts).toLocaleTimeString([], { hour12: false }) : '');
    row.append(time, say);
    switch (event.type) {
    case 'status':
      row.classList.add('move');
      say.append(badge(event.status), event.reason ? ' ' + event.reason : '',
        event.exitCode !== undefined ? ' exit ' + event.exitCode : '');
      break;
    case 'log':
      if (event.level === 'error' || event.level === 'warn') row.classList.add(event.level);
      say.textContent = event.message;
      break;
    case 'message':
      if (event.role === 'user') row.classList.add('user');
      say.textContent = typeof event.content === 'string' ? event.content : rest(event);
      break;
    case 'diff': say.append(patchView(event)); break;
    case 'file_edit':
      row.classList.add('aside');
      say.textContent = 'edited ' + event.file_path + ' +' + event.lines_added + ' −' + event.lines_removed;
      break;
    case 'progress':
      row.classList.add('aside');
      say.textContent = event.stage || event.progress + ' %';
      break;
    case 'epoch':
      row.classList.add('aside');
      say.textContent = 'epoch ' + event.epoch + ': ' + event.cause;
      break;
    case 'error':
      row.classList.add('error');
      say.textContent = event.message;
      break;
    case 'gap':
      row.classList.add('gap');
      say.textContent = 'events ' + event.from + ' to ' + event.to + ' are missing: ' + event.reason;
      break;
    default:
      row.classList.add('aside');
      say.textContent = rest(event);
    }
    return row;
  };

  const isAtEnd = () => {
    const box = $('events');
    return box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  };

  const toEnd = () => { $('events').scrollTop = $('events').scrollHeight; };

  /* Events of one network read are shown in one go. */
  const show = (events) => {
    const box = $('events'), stay = isAtEnd();
    box.append(...events.map(view));
    while (box.childElementCount > ROWS_MAX) box.firstChild.remove();
    if (stay) toEnd();
    $('to-end').hidden = stay;
  };

  /* server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html section 9.2.6 */
  class Frames {
    constructor() { this.left = ''; this.reset(); }
    reset() { this.data = []; this.event = ''; }
    take(text, frame, retry) {
      const lines = (this.left + text).split(/\r\n|\n|\r(?!$)/);
      this.left = lines.pop();
      for (const line of lines) this.line(line, frame, retry);
    }
    line(line, frame, retry) {
      if (line === '') {
        if (this.id !== undefined || this.data.length > 0) {
          frame({ id: this.id, event: this.event || 'message', data: this.data.join('\n') });
        }
        this.reset();
        return;
      }
      const colon = line.indexOf(':');
      if (colon === 0) return;
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'data') this.data.push(value);
      else if (name === 'event') this.event = value;
      else if (name === 'id') this.id = value;
      else if (name === 'retry' && /^[0-9]+$/.test(value)) retry(Number(value));
    }
  }

  class Follower {
    constructor(id) {
      this.id = id;
      this.cursor = '0-0';
      this.wait = RETRY_MS;
      this.stop = new AbortController();
      this.ended = false;
    }

    frame(frame, events) {
      if (frame.id) this.cursor = frame.id;
      if (!frame.data) return;
      const event = JSON.parse(frame.data);
      if (frame.event === 'end') {
        this.ended = true;
      } else if (frame.event !== 'drain') { // retry said so, too
        events.push(frame.event === 'gap' ? { type: 'gap', ...event } : event);
      }
    }

    async read(answer) {
      const reader = answer.body.getReader(), decoder = new TextDecoder(), frames = new Frames();
      let retry = RETRY_MS;
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = [];
        frames.take(decoder.decode(value, { stream: true }), (f) => this.frame(f, events), (ms) => { retry = ms; });
        this.wait = retry;
        if (events.length > 0) show(events);
      }
    }

    async run() {
      while (!this.ended) {
        try {
          const answer = await get('/api/v1/sessions/' + this.id + '/events', {
            headers: { Accept: 'text/event-stream', 'Last-Event-ID': this.cursor },
            cache: 'no-store', signal: this.stop.signal,
          });
          if (answer.status === 204) { this.ended = true; break; }
          linkSays('following');
          await this.read(answer);
        } catch (error) {
          if (this.stop.signal.aborted) return;
          if (error instanceof Refused && error.status < 500 && error.status !== 429) {
            linkSays(error.message, true);
            return;
          }
          this.wait = Math.min(this.wait * 2, RETRY_MAX_MS);
        }
        if (this.ended || this.stop.signal.aborted) break;
        linkSays('connection lost; going on where it stopped', true);
        await sleep(this.wait * (0.5 + Math.random() / 2));
        if (this.stop.signal.aborted) return;
      }
      if (!this.stop.signal.aborted) linkSays('the session has ended');
    }
  }

  const choose = (session) => {
    if (follower) follower.stop.abort();
    $('no-choice').hidden = true;
    $('chosen').hidden = false;
    $('events').replaceChildren();
    $('to-end').hidden = true;
    showChosen(session);
    for (const item of $('sessions').children) {
      item.firstChild.setAttribute('aria-current', String(item.dataset.id === session.id));
    }
    linkSays('connecting');
    history.replaceState(null, '', '#' + session.id);
    follower = new Follower(session.id);
    follower.run();
  };

  const chooseFromAddress = async () => {
    const id = location.hash.slice(1);
    if (!/^[0-9A-Za-z]{26}$/.test(id)) return;
    try {
      choose(await (await get('/api/v1/sessions/' + id)).json());
    } catch (error) {
      refused(error);
    }
  };

  /* ---- the door ---- */

  const FORMS = ['login-form', 'setup-form', 'password-form'];
  const codeInAddress = () => (/^#password=(.+)$/.exec(location.hash) || [])[1];

  const showDoor = (form, said) => {
    $('main').hidden = true;
    $('leave').hidden = true;
    $('who').textContent = '';
    for (const name of FORMS) $(name).hidden = name !== form;
    $('door-said').textContent = said || '';
    $('door-said').hidden = !said;
    $('door').hidden = false;
    tell('');
    const first = $(form).querySelector('input');
    if (first) first.focus();
  };

  /* Where else people may prove who they are; they come back to this page. */
  const showWays = (providers) => {
    const ways = (providers || []).filter((provider) => provider.browser).map((provider) => {
      const way = make('a', '', provider.title);
      way.href = '/auth/oidc/login?provider=' + encodeURIComponent(provider.name) + '&return_to=%2F';
      return way;
    });
    $('ways').replaceChildren('Or at ', ...ways.flatMap((way, i) => (i > 0 ? [', ', way] : [way])));
    $('ways').hidden = ways.length === 0;
  };

  const chooseDoor = async (said) => {
    if (codeInAddress()) {
      showDoor('password-form', said);
      return;
    }
    try {
      const config = await (await fetch('/auth/config', { cache: 'no-store' })).json();
      showWays(config.providers);
      showDoor(config.setup ? 'setup-form' : 'login-form', said);
    } catch {
      showDoor('login-form', said || 'The server cannot be reached.');
    }
  };

  const leave = (said) => {
    if (follower) follower.stop.abort();
    follower = null;
    chosen = null;
    key = '';
    session = null;
    sessionStorage.removeItem(KEY);
    return chooseDoor(said);
  };

  const begin = () => {
    $('door').hidden = true;
    $('main').hidden = false;
    $('leave').hidden = false;
    $('leave').textContent = key ? 'Forget key' : 'Log out';
    $('who').textContent = session ? session.user.name : '';
    tell('connecting');
    keepListing();
    chooseFromAddress();
  };

  const findSession = async () => {
    const answer = await (await get('/auth/session', { cache: 'no-store' })).json();
    session = answer.authenticated && answer.csrfToken ? answer : null;
  };

  const start = async () => {
    if (!key && !codeInAddress()) {
      try {
        await findSession();
      } catch (error) {
        await chooseDoor(error instanceof Refused ? error.message : 'The server cannot be reached.');
        return;
      }
    }
    if (isIn() && !codeInAddress()) begin(); else await chooseDoor();
  };

  /* One attempt at a time; what was typed stays where it was wrong, but for secrets. */
  const onSubmit = (form, send) => {
    $(form).onsubmit = async (event) => {
      const problem = $(form).querySelector('.problem'), button = $(form).querySelector('button');
      event.preventDefault();
      problem.textContent = '';
      button.disabled = true;
      try {
        await send();
        $(form).reset();
      } catch (error) {
        problem.textContent = error instanceof Refused ? error.message : 'The server cannot be reached.';
        for (const input of $(form).querySelectorAll('input[type=password]')) input.value = '';
      }
      button.disabled = false;
    };
  };

  /* Who came from the page where programs are let in goes back there. */
  const enter = async (answer) => {
    const device = /^#device=([A-Za-z-]*)$/.exec(location.hash);
    session = await answer.json();
    if (device) location.replace('/device?user_code=' + device[1]); else begin();
  };

  const buildCounts = () => {
    for (const g of GROUPS) {
      g.button = make('button', 'state ' + g.look);
      g.button.type = 'button';
      g.button.append(g.name + ' ', make('b', '', '…'));
      g.button.setAttribute('aria-pressed', String(g === group));
      g.button.onclick = () => {
        group = g;
        pages = 1;
        for (const other of GROUPS) other.button.setAttribute('aria-pressed', String(other === g));
        refresh().catch(refused);
      };
      $('counts').append(g.button);
    }
  };

  onSubmit('login-form', async () => enter(await post('/auth/login', {
    email: $('login-email').value, password: $('login-password').value,
  })));
  onSubmit('setup-form', async () => enter(await post('/api/v1/setup', {
    pin: $('setup-pin').value.trim(), name: $('setup-name').value, email: $('setup-email').value,
    password: $('setup-password').value,
  })));
  onSubmit('password-form', async () => {
    await post('/auth/password', { code: codeInAddress(), password: $('new-password').value });
    history.replaceState(null, '', '/');
    await chooseDoor('The password is set: log in with it.');
  });
  onSubmit('key-form', async () => {
    key = $('key').value.trim();
    session = null;
    sessionStorage.setItem(KEY, key);
    begin();
  });
  $('leave').onclick = async () => {
    if (session) {
      try {
        const answer = await post('/auth/logout');
        if (answer.status === 200) {
          location.assign((await answer.json()).endSessionUrl);
          return;
        }
      } catch (error) {
        if (!(error instanceof Refused && error.status === 401)) {
          refused(error);
          return;
        }
      }
    }
    await leave('');
  };
  window.onhashchange = () => { if (codeInAddress()) chooseDoor(); };
  $('more').onclick = () => { pages++; refresh().catch(refused); };
  $('to-end').onclick = () => { toEnd(); $('to-end').hidden = true; };
  $('events').onscroll = () => { if (isAtEnd()) $('to-end').hidden = true; };
  buildCounts();
  start();
})();
