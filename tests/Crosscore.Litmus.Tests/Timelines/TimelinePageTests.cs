using System.Xml;
using System.Xml.Linq;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Timelines;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Timelines;

/// <summary>The page: one document that needs nothing else and in which nothing but text comes from a test.</summary>
public class TimelinePageTests
{
    private static readonly TimelinePageFacts Facts = new(
        "~exists (2:rbx=1)",
        "Sometimes",
        "sdm",
        "crosscore explore 'a <b>.litmus' --html page.html"
    );

    [Fact]
    public void It_is_well_formed_and_has_a_cell_for_each_row_and_lane()
    {
        Timeline timeline = SampleTimelines.Race;
        XElement page = Parse(Write(timeline));
        Assert.Equal(timeline.Rows.Count * timeline.Lanes.Count, ByClass(page, "cell").Count());
        Assert.Equal(timeline.Rows.Count, ByClass(page, "event").Count());
        Assert.Equal(timeline.Arrows.Count, ByClass(page, "down").Count());
        Assert.Equal(timeline.Summary, ByClass(page, "summary").Single().Value);
        Assert.Single(ByClass(page, "bad"));
    }

    [Fact]
    public void It_says_what_it_shows_and_how_to_make_it_again()
    {
        Timeline timeline = SampleTimelines.Race;
        string facts = ByClass(Parse(Write(timeline)), "facts").Single().Value;
        Assert.Contains(timeline.Verdict.Test.File, facts, StringComparison.Ordinal);
        Assert.Contains("linux-5.10-rc", facts, StringComparison.Ordinal);
        Assert.Contains("x86-tso, instruction fetch as sdm", facts, StringComparison.Ordinal);
        Assert.Contains($"{timeline.Verdict.Exploration.States} states", facts, StringComparison.Ordinal);
        Assert.Contains(Facts.Command, facts, StringComparison.Ordinal);
    }

    [Fact]
    public void The_executed_lines_of_the_design_are_marked()
    {
        Timeline timeline = SampleTimelines.Race;
        XElement sources = ByClass(Parse(Write(timeline)), "sources").Single();
        Assert.Equal(timeline.ExecutedKernelLines.Count, ByClass(sources, "done").Count());
        Assert.Contains(
            ByClass(sources, "done"),
            line => line.Value.EndsWith("ipi_and_wait(targets, ipi_mb);", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void It_loads_nothing()
    {
        string page = Write(SampleTimelines.Race);
        foreach (
            string reference in (string[])
                ["http:", "https:", "//cdn", "url(", "@import", "<script", "<link", "src=", "href="]
        )
        {
            Assert.DoesNotContain(reference, page, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public void What_looks_like_markup_in_a_test_is_text()
    {
        LitmusTest test = LitmusParser.Parse(
            """
            X86_64 Markup
            "<script>alert(1)</script> & more"
            { }
            P0 | P1 ;
            movl $1,(x) | movl $1,(y) ;
            movl (y),%eax | movl (x),%eax ;
            exists (0:rax=0 /\ 1:rax=0)
            """,
            "<i>.litmus"
        );
        string page = Write(
            Timeline.OfWitness(
                ModelVerdict.Of(test, CoreKind.X86Tso, cancellation: TestContext.Current.CancellationToken)
            )!
        );
        Assert.DoesNotContain("<script>", page, StringComparison.Ordinal);
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more", page, StringComparison.Ordinal);
        Assert.Equal(test.Description, ByClass(Parse(page), "description").Single().Value);
    }

    private static string Write(Timeline timeline)
    {
        var output = new StringWriter();
        TimelinePage.Write(output, timeline, Facts);
        return output.ToString();
    }

    private static XElement Parse(string page)
    {
        Assert.StartsWith("<!DOCTYPE html>", page, StringComparison.Ordinal);
        using var reader = XmlReader.Create(
            new StringReader(page),
            new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore }
        );
        return XElement.Load(reader);
    }

    private static IEnumerable<XElement> ByClass(XElement page, string name) =>
        page.DescendantsAndSelf()
            .Where(element => ((string?)element.Attribute("class"))?.Split(' ').Contains(name) == true);
}
