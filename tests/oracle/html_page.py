"""What every HTML report must keep to, read by a parser: elements nest, ids are single, nothing
refers outside the file, and nothing can run."""

import html.parser

VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.errors, self.elements, self.ids = [], [], [], []
        self.links = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), [name for name, _ in self.open]))
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.errors.append(f"<{tag}> has an attribute twice")
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name == "href" and tag == "a" and (value or "").startswith("#"):
                self.links.append(value[1:])
            elif name in ("src", "href", "action", "data", "srcset"):
                if not (value or "").startswith("data:image/png;base64,"):
                    self.errors.append(f"<{tag} {name}> refers outside the file")
            if name.startswith("on"):
                self.errors.append(f"<{tag}> has the script attribute {name}")
        if tag in ("script", "iframe", "object", "embed", "form"):
            self.errors.append(f"<{tag}> is in the page")
        if tag not in VOID:
            self.open.append((tag, self.getpos()))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.errors.append(f"</{tag}> at {self.getpos()} closes {self.open[-1:]}")
        else:
            self.open.pop()


def check_wellformed(text, label):
    page = Page()
    page.feed(text)
    page.close()
    assert not page.errors, (label, page.errors[:5])
    assert not page.open, (label, "left open", page.open)
    assert len(page.ids) == len(set(page.ids)), (label, "an id stands twice")
    assert set(page.links) <= set(page.ids), (label, "a link leads nowhere")
    return page
