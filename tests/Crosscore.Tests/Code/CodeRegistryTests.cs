using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Raw;

namespace Crosscore.Tests;

/// <summary>
/// Code whose name cannot be told is not installed: nothing of it stays, neither in memory nor at those who were told
/// already.
/// </summary>
public sealed class CodeRegistryTests
{
    private const string Unspeakable = "unspeakable";

    private static readonly Listener Before = new(throws: false);
    private static readonly Listener Throwing = new(throws: true);
    private static readonly Listener After = new(throws: false);

    static CodeRegistryTests()
    {
        // For the life of the process: they keep quiet about everybody else's code.
        CodeRegistry.Attach(Before);
        CodeRegistry.Attach(Throwing);
        CodeRegistry.Attach(After);
    }

    [Fact]
    public void Sealed_code_is_unmapped_again()
    {
        var writer = new CodeWriter(Unspeakable);
        _ = writer.Append(MachineCode.Return42, "f");
        using SealedCode code = writer.Seal();
        LeavesNothing(() => code.Install());
    }

    [Fact]
    public void Live_code_is_unmapped_again_at_both_of_its_addresses()
    {
        Machine.NeedsRawPrograms();
        LiveCode.Install(MachineCode.Return42).Dispose(); // What the first one needs stays.
        LeavesNothing(() => LiveCode.Install(MachineCode.Return42, Unspeakable));
    }

    [Fact]
    public void Who_throws_at_what_is_installed_already_is_told_that_it_is_gone_and_of_nothing_more()
    {
        var writer = new CodeWriter("attach");
        _ = writer.Append(MachineCode.Return42);
        using SealedCode code = writer.Seal();
        using InstalledCode first = code.Install();
        using InstalledCode last = code.Install();
        var sink = new Listener(throws: true) { Watched = "attach", Knows = 1 };
        _ = Assert.Throws<InvalidOperationException>(() => CodeRegistry.Attach(sink));
        Assert.Empty(sink.Known);
        using InstalledCode later = code.Install();
        Assert.Empty(sink.Known);
    }

    private static void LeavesNothing(Func<IDisposable> install)
    {
        List<string> mapped = OursMapped();
        (long segments, long bytes) = (CodeEvents.Segments.Value, CodeEvents.Bytes.Value);
        Before.Last = After.Last = 0;
        _ = Assert.Throws<InvalidOperationException>(install);
        nint address = Before.Last;
        Assert.NotEqual(0, address);
        Assert.Empty(Before.Known);
        Assert.Equal(0, After.Last);
        Assert.Null(CodeNames.Find(address));
        Assert.Equal("---p", Maps.PermissionsAt(address));
        Assert.Equal(mapped, OursMapped());
        Assert.Equal((segments, bytes), (CodeEvents.Segments.Value, CodeEvents.Bytes.Value));
    }

    private static List<string> OursMapped() =>
        [
            .. MemoryMap
                .Read()
                .Where(line => line.Path.Contains("crosscore-", StringComparison.Ordinal))
                .Select(line => $"{line.Start:x}-{line.End:x} {line.Permissions}"),
        ];

    private sealed class Listener(bool throws) : INameSink
    {
        public string Watched { get; init; } = Unspeakable;

        /// <summary>How many segments it learns of before it throws.</summary>
        public int Knows { get; init; }

        public List<CodeSegment> Known { get; } = [];

        public nint Last { get; set; }

        public void Added(CodeSegment segment)
        {
            if (segment.Name == Watched)
            {
                if (throws && Known.Count == Knows)
                {
                    throw new InvalidOperationException();
                }

                Known.Add(segment);
                Last = segment.Address;
            }
        }

        public void Removed(CodeSegment segment) => _ = Known.Remove(segment);
    }
}
