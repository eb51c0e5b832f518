'use strict';
(() => {
  const root = document.documentElement;
  const find = document.getElementById('find');
  const nav = document.getElementById('nav');
  const menu = document.getElementById('menu');

  // Light or dark: what was chosen here, else what the system says.
  const kept = (() => { try { return localStorage.getItem('theme'); } catch { return null; } })();
  if (kept) root.dataset.theme = kept;
  document.getElementById('theme').addEventListener('click', () => {
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    try { localStorage.setItem('theme', root.dataset.theme); } catch { /* then it lasts as long as the page */ }
  });

  // An example goes to the clipboard, or is at least selected.
  for (const button of document.querySelectorAll('.copy')) {
    button.addEventListener('click', async () => {
      const code = button.parentElement.querySelector('code');
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = 'Selected';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    });
  }

  // The search keeps what has all of the words, and the links to it.
  const items = [...document.querySelectorAll('.item')].map((node) => ({ node, text: node.textContent.toLowerCase() }));
  const links = new Map([...nav.querySelectorAll('li a')].map((a) => [a.hash.slice(1), a.parentElement]));
  const search = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { node, text } of items) {
      node.hidden = !words.every((word) => text.includes(word));
      if (!node.hidden) found++;
      links.get(node.id)?.toggleAttribute('hidden', node.hidden);
    }
    for (const group of document.querySelectorAll('.group')) group.hidden = !group.querySelector('.item:not([hidden])');
    for (const list of nav.querySelectorAll('ul')) list.previousElementSibling.hidden = !list.querySelector('li:not([hidden])');
    document.getElementById('top').hidden = words.length > 0;
    document.getElementById('nothing').hidden = found > 0;
  };
  let waiting = 0;
  find.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(search, 80); });
  addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== find && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      find.focus();
    } else if (event.key === 'Escape') {
      find.value = '';
      search();
      find.blur();
    }
  });

  // A link inside the page ends a search that hides what it leads to.
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link) return;
    nav.classList.remove('open');
    menu.setAttribute('aria-expanded', 'false');
    const target = document.getElementById(link.hash.slice(1));
    if (target?.closest('[hidden]')) {
      find.value = '';
      search();
    }
  });
  menu.addEventListener('click', () => menu.setAttribute('aria-expanded', String(nav.classList.toggle('open'))));

  // The contents show where the reader is.
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      nav.querySelector('.now')?.classList.remove('now');
      const link = links.get(target.id)?.firstElementChild;
      link?.classList.add('now');
      if (!link) continue;
      const place = link.offsetTop - nav.scrollTop;
      if (place < 0 || place > nav.clientHeight - 60) nav.scrollTop = link.offsetTop - nav.clientHeight / 3;
    }
  }, { rootMargin: '-80px 0px -75% 0px' });
  for (const { node } of items) if (links.has(node.id)) seen.observe(node);
})();
