using Crosscore.Litmus.Syntax;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;

namespace Crosscore.Litmus.Timelines;

/// <summary>
/// What was executed, where it stands: the columns of the test and the routines of the kernel design, with the lines
/// marked that the trace passes.
/// </summary>
internal static partial class TimelinePage
{
    private static void WriteSources(Markup page, Timeline timeline)
    {
        page.Text("h2", "", "The test");
        WriteTest(page, timeline);
        if (timeline.Verdict.Kernel is not KernelDesign design)
        {
            return;
        }

        page.Text("h2", "", $"The lines of {design.Name} in this trace");
        page.Text(
            "p",
            "note",
            "Marked lines did something that others can see, or that orders or serializes. "
                + "A design extends others; what it does not replace stands in their files."
        );
        page.Open("div", ("class", "sources"));
        IReadOnlySet<int> executed = timeline.ExecutedKernelLines;
        foreach (
            IGrouping<string, (int First, int Last)> file in Blocks(design.SourceLines)
                .Where(block => executed.Any(line => line >= block.First && line <= block.Last))
                .GroupBy(block => design.SourceLines[block.First].File)
        )
        {
            page.Open("section");
            page.Text("h3", "code", Path.GetFileName(file.Key));
            foreach ((int first, int last) in file)
            {
                WriteBlock(page, design.SourceLines, first, last, executed);
            }

            page.Close();
        }

        page.Close();
    }

    private static void WriteTest(Markup page, Timeline timeline)
    {
        LitmusTest test = timeline.Verdict.Test;
        page.Open("div", ("class", "columns"));
        page.Open("table", ("class", "code"));
        page.Open("tr");
        foreach (LitmusThread thread in test.Threads)
        {
            page.Text(
                "th",
                "",
                timeline.Verdict.Kernel is null
                    ? $"P{thread.Id}"
                    : $"P{thread.Id}: {Placement(test.System.Threads[thread.Id])}"
            );
        }

        page.Close();
        ILookup<(int Thread, int Index), string> labels = test
            .Threads.SelectMany(thread => thread.Labels.Select(label => (Key: (thread.Id, label.Value), label.Key)))
            .ToLookup(label => label.Key, label => label.Item2);
        for (int index = 0; index <= test.Threads.Max(thread => thread.Instructions.Count); index++)
        {
            page.Open("tr");
            foreach (LitmusThread thread in test.Threads)
            {
                string label = string.Concat(labels[(thread.Id, index)].Select(name => name + ": "));
                string instruction = index < thread.Instructions.Count ? thread.Instructions[index].Text : "";
                page.Text(
                    "td",
                    timeline.ExecutedInstructions(thread).Contains(index) ? "done" : "",
                    label + instruction
                );
            }

            page.Close();
        }

        page.Close(2);
    }

    private static string Placement(ThreadPlacement thread) =>
        $"CPU {thread.Cpu}, "
        + $"{thread.Start.ToString().ToLowerInvariant()}{(thread.Pinned ? ", pinned" : "")}"
        + $"{(thread.AddressSpace is null ? ", kernel thread" : "")}";

    private static void WriteBlock(
        Markup page,
        IReadOnlyList<KernelSourceLine> lines,
        int first,
        int last,
        IReadOnlySet<int> executed
    )
    {
        page.Open("pre");
        int depth = 0;
        for (int index = first; index <= last; index++)
        {
            string text = lines[index].Text;
            int closing =
                text.StartsWith('}') ? 1
                : text.EndsWith(':') && depth > 0 ? 1
                : 0;
            page.Open("span", ("class", executed.Contains(index) ? "done" : ""));
            page.Text("span", "number", $"{lines[index].Number}");
            page.Text(new string(' ', 4 * Math.Max(0, depth - closing)) + text);
            page.End();
            depth += Depth(text);
        }

        page.Close();
    }

    // What stands between braces at the outermost level, with the comment right above it.
    private static IEnumerable<(int First, int Last)> Blocks(IReadOnlyList<KernelSourceLine> lines)
    {
        int comment = -1;
        for (int index = 1; index < lines.Count; index++)
        {
            string text = lines[index].Text;
            if (text.StartsWith("//", StringComparison.Ordinal))
            {
                comment = comment < 0 ? index : comment;
                continue;
            }

            int depth = Depth(text);
            int first = comment >= 0 ? comment : index;
            comment = -1;
            if (depth <= 0)
            {
                continue;
            }

            while (depth > 0 && index + 1 < lines.Count)
            {
                depth += Depth(lines[++index].Text);
            }

            yield return (first, index);
        }
    }

    private static int Depth(string line)
    {
        string code = line.IndexOf("//", StringComparison.Ordinal) is int comment and >= 0 ? line[..comment] : line;
        return code.Count(letter => letter == '{') - code.Count(letter => letter == '}');
    }
}
