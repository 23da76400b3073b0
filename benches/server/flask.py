"""A Flask application that renders the CV page from a template on each request."""

from flask import Flask, render_template

app = Flask(__name__, template_folder=".")

# A substitution for each element, as a template over a CV's fields has about as many.
with open("page.html", encoding="utf-8") as page:
    ELEMENTS = page.read().split("<")[1:]


@app.get("/")
def cv():
    return render_template("cv.html", elements=ELEMENTS)
