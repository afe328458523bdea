using System.Net;

namespace Crosscore.Tests;

/// <summary>
/// The examples in the XML documentation of types are the same code as examples that are compiled and run here: between
/// the markers "// example" and "// end".
/// </summary>
public sealed class TypeExampleTests
{
    /// <summary>The types that people start with.</summary>
    private static readonly string[] Types =
    [
        "Code/Install/SealedCode.cs",
        "Code/Slots/CodeSlot.cs",
        "Code/Live/LiveCode.cs",
        "PerCpu/Rseq/RestartableSequences.cs",
        "PerCpu/PerCpuCounter.cs",
        "PerCpu/PerCpuBuffer.cs",
        "PerCpu/PerCpuBlockPool.cs",
    ];

    private static readonly string[] Sources = ["Code/CodeTypeExamples.cs", "PerCpu/PerCpuTypeExamples.cs"];

    [Fact]
    public void What_types_show_is_what_is_compiled_here()
    {
        string root = RepositoryRoot();
        string[] shown =
        [
            .. Types.SelectMany(type =>
                Blocks(File.ReadAllLines(Path.Combine(root, "src", "Crosscore", type)), "/// <code>", "/// </code>")
                    .Select(block => string.Join('\n', block.Select(OfComment)))
            ),
        ];
        string[] here =
        [
            .. Sources.SelectMany(source =>
                Blocks(
                        File.ReadAllLines(Path.Combine(root, "tests", "Crosscore.Tests", source)),
                        "// example",
                        "// end"
                    )
                    .Select(Unindented)
            ),
        ];
        Assert.Equal(Types.Length, shown.Length);
        Assert.Equal(here.Order(), shown.Order());
    }

    private static IEnumerable<string[]> Blocks(string[] lines, string begin, string end)
    {
        List<string>? block = null;
        foreach (string line in lines)
        {
            string text = line.Trim();
            if (text == begin)
            {
                block = [];
            }
            else if (text == end && block is not null)
            {
                yield return [.. block];
                block = null;
            }
            else
            {
                block?.Add(line);
            }
        }
    }

    private static string OfComment(string line) =>
        WebUtility.HtmlDecode(line.Trim()[3..]) is var text && text.StartsWith(' ') ? text[1..] : "";

    private static string Unindented(string[] block)
    {
        int indent = block.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', block.Select(line => line.Length >= indent ? line[indent..] : line));
    }

    private static string RepositoryRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Crosscore.slnx")))
        {
            folder =
                Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("The tests do not run inside the repository.");
        }

        return folder;
    }
}
