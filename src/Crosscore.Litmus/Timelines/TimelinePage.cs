using System.Globalization;
using System.Text;
using System.Xml;
using Crosscore.Litmus.Verdicts;

namespace Crosscore.Litmus.Timelines;

/// <summary>What a page says besides its timeline.</summary>
/// <param name="Question">The condition of the test with its quantifier.</param>
/// <param name="Verdict">The answer in a word or two.</param>
/// <param name="Profile">What cores promise of instruction fetch.</param>
/// <param name="Command">The command that makes the page again.</param>
internal sealed record TimelinePageFacts(string Question, string Verdict, string Profile, string Command);

/// <summary>
/// A timeline as one page that needs nothing else: no network, no script. It is well-formed XML as well as HTML, so
/// what a test or a design says can only ever be text.
/// </summary>
internal static partial class TimelinePage
{
    /// <summary>Writes the page.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="timeline">The timeline.</param>
    /// <param name="facts">What else it says.</param>
    public static void Write(TextWriter output, Timeline timeline, TimelinePageFacts facts)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(timeline);
        ArgumentNullException.ThrowIfNull(facts);
        output.Write("<!DOCTYPE html>\n");
        using var xml = XmlWriter.Create(
            output,
            new XmlWriterSettings
            {
                OmitXmlDeclaration = true,
                CloseOutput = false,
                NewLineHandling = NewLineHandling.None,
            }
        );
        var page = new Markup(xml);
        page.Open("html", ("lang", "en"));
        WriteHead(page, timeline, facts);
        page.Open("body");
        page.Open("main");
        WriteHeader(page, timeline, facts);
        WriteLanes(page, timeline);
        WriteSources(page, timeline);
        page.Close(3);
    }

    private static void WriteHead(Markup page, Timeline timeline, TimelinePageFacts facts)
    {
        page.Open("head");
        page.Void("meta", ("charset", "utf-8"));
        page.Void("meta", ("name", "viewport"), ("content", "width=device-width, initial-scale=1"));
        page.Void(
            "meta",
            ("name", "description"),
            ("content", timeline.Summary.Length > 0 ? timeline.Summary : facts.Question)
        );
        page.Text(
            "title",
            "",
            $"{timeline.Verdict.Test.Name}{(timeline.Verdict.Kernel is { } kernel ? $" on {kernel.Name}" : "")} "
                + "· Crosscore"
        );
        page.Open("style");
        page.Raw(Style());
        page.Close(2);
    }

    private static void WriteHeader(Markup page, Timeline timeline, TimelinePageFacts facts)
    {
        ModelVerdict verdict = timeline.Verdict;
        WriteTitle(page, verdict.Test.Name);
        if (verdict.Test.Description.Length > 0)
        {
            page.Text("p", "description", verdict.Test.Description);
        }

        if (timeline.Summary.Length > 0)
        {
            page.Text("p", "summary", timeline.Summary);
        }

        page.Open("dl", ("class", "facts"));
        Fact("test", verdict.Test.File);
        Fact("question", facts.Question);
        if (verdict.Kernel is { } kernel)
        {
            Fact(
                "kernel design",
                kernel.Name
                    + (kernel.RemovedLabels.Count > 0 ? $" without {string.Join(", ", kernel.RemovedLabels)}" : "")
            );
        }

        string fetch = verdict.Test.Variables.Any(variable => variable.IsCode)
            ? $", instruction fetch as {facts.Profile}"
            : "";
        Fact("cores", CoreNames.Of(verdict.Core) + fetch);
        Fact(
            "verdict",
            $"{facts.Verdict} ({verdict.Witnesses} of {verdict.Allowed.Count} "
                + $"outcomes{(verdict.IsComplete ? "" : "; not everything was explored")})"
        );
        Fact("explored", $"{verdict.Exploration.States.ToString("N0", CultureInfo.InvariantCulture)} states");
        Fact("outcome shown", timeline.Target);
        Fact("made by", facts.Command);
        page.Close();

        void Fact(string name, string value)
        {
            page.Text("dt", "", name);
            page.Open("dd", ("class", name is "question" or "made by" or "outcome shown" or "test" ? "code" : ""));
            foreach (string word in value.Split(' '))
            {
                // An option is not torn at its hyphens.
                page.Text("span", "word", word);
                page.Text(" ");
            }

            page.End();
        }
    }

    private static void WriteTitle(Markup page, string name)
    {
        page.Open("h1");
        string[] parts = name.Split('.');
        for (int part = 0; part < parts.Length; part++)
        {
            // Names are long and have no spaces; a narrow screen breaks them at their dots.
            page.Text(parts[part] + (part + 1 < parts.Length ? "." : ""));
            page.Void("wbr");
        }

        page.Close();
    }

    private static string Style()
    {
        using Stream stream = typeof(TimelinePage).Assembly.GetManifestResourceStream("TimelinePage.css")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>
    /// Elements of a page. Those that HTML does not close by itself get an end tag, even when nothing is in them.
    /// </summary>
    private sealed class Markup(XmlWriter xml)
    {
        public void Open(string name, params ReadOnlySpan<(string Name, string Value)> attributes)
        {
            xml.WriteStartElement(name);
            foreach ((string attribute, string value) in attributes)
            {
                if (value.Length > 0)
                {
                    xml.WriteAttributeString(attribute, value);
                }
            }
        }

        public void Close(int elements = 1)
        {
            for (int count = 0; count < elements; count++)
            {
                xml.WriteFullEndElement();
                xml.WriteRaw("\n");
            }
        }

        public void Void(string name, params ReadOnlySpan<(string Name, string Value)> attributes)
        {
            Open(name, attributes);
            xml.WriteEndElement();
        }

        /// <summary>Writes an element with nothing but text in it; no white space follows it.</summary>
        public void Text(string name, string style, string text)
        {
            Open(name, ("class", style));
            xml.WriteString(text);
            xml.WriteFullEndElement();
        }

        public void Text(string text) => xml.WriteString(text);

        public void Raw(string text) => xml.WriteRaw(text);

        /// <summary>Closes an element without white space behind it.</summary>
        public void End() => xml.WriteFullEndElement();
    }
}
