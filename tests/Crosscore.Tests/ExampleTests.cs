#pragma warning disable xUnit1051 // examples show what a program would write
using System.Buffers;
using System.Runtime.InteropServices;
using Crosscore.Rcu;

namespace Crosscore.Tests;

/// <summary>
/// An example of each public type of the fences and of RCU. What the pages below show stands here, or in the tests of
/// what they are about, between markers, word for word.
/// </summary>
public sealed class ExampleTests
{
    private static readonly string[] Pages =
    [
        "fences.md",
        "rcu.md",
        "per-cpu.md",
        "hazard-pointers.md",
        "locks.md",
        "structures.md",
        "code.md",
    ];

    private static readonly string[] Sources =
    [
        "ExampleTests.cs",
        "PerCpu/PerCpuExampleTests.cs",
        "HazardPointers/HazardPointersTests.cs",
        "Locks/BiasedLockTests.cs",
        "Locks/AsymmetricReaderWriterLockTests.cs",
        "Structures/ReadMostlyMapTests.cs",
        "Structures/NativeStructureTests.cs",
        "Code/CodeExampleTests.cs",
    ];

    [Fact]
    public void What_the_documentation_shows_is_what_is_compiled_here()
    {
        string root = RepositoryRoot();
        string[] shown =
        [
            .. Pages.SelectMany(page =>
                Blocks(File.ReadAllText(Path.Combine(root, "docs", page)), "```csharp\n", "```")
            ),
        ];
        IEnumerable<string> sources = Sources.Select(source =>
            File.ReadAllText(Path.Combine(root, "tests", "Crosscore.Tests", source))
        );
        string[] here = [.. sources.SelectMany(source => Blocks(source, "// shown\n", "// end")).Select(Unindented)];
        Assert.NotEmpty(here);
        Assert.Equal(here.Order(), shown.Order());
    }

    [Fact]
    public void AsymmetricFence_orders_a_flag_that_is_set_all_the_time_against_one_that_is_set_rarely()
    {
        var gate = new Gate();
        Assert.True(gate.TryWork(() => { }));
        gate.Close();
        Assert.False(gate.TryWork(() => { }));
    }

    [Fact]
    public async Task AsymmetricFence_can_be_awaited_and_counted()
    {
        // shown
        await AsymmetricFence.HeavyAsync();
        Console.WriteLine(
            $"{AsymmetricFence.Mode}: {AsymmetricFence.BarrierCount} barriers "
                + $"for {AsymmetricFence.HeavyCount} heavy fences"
        );
        // end
        Assert.True(AsymmetricFence.HeavyCount > 0);
    }

    [Fact]
    public void RcuCell_disposes_of_the_old_value_when_its_last_reader_has_left()
    {
        var first = new Certificate("first");
        // shown
        using var domain = new RcuDomain(new RcuDomainOptions { Name = "certificates" });
        using var current = new RcuCell<Certificate>(first, domain);

        using (current.Read(out Certificate certificate))
        {
            Console.WriteLine(certificate.Name); // not disposed of before the end of this block
        }

        current.Replace(new Certificate("second")); // returns at once; the first is disposed of after the last reader
        // end
        domain.Barrier();
        Assert.True(first.IsDisposed);
    }

    [Fact]
    public unsafe void RcuDomain_frees_unmanaged_memory_at_the_right_moment()
    {
        // shown
        using var domain = new RcuDomain();
        nint table = (nint)NativeMemory.AllocZeroed(1024);

        // Readers, all the time:
        using (domain.EnterReadSection())
        {
            nint seen = Volatile.Read(ref table);
            Console.WriteLine(((byte*)seen)[5]);
        }

        // The writer, rarely: unlink first, then retire.
        nint old = Interlocked.Exchange(ref table, (nint)NativeMemory.AllocZeroed(1024));
        domain.Retire(old, static address => NativeMemory.Free((void*)address), bytes: 1024);
        // end
        domain.Barrier();
        Assert.Equal(1, domain.Statistics.Reclaimed);
        NativeMemory.Free((void*)table);
    }

    [Fact]
    public void RcuReader_spares_loops_the_look_up()
    {
        using var domain = new RcuDomain();
        long[] value = [1];
        long sum = 0;
        // shown
        RcuReader reader = domain.GetReader();
        for (int i = 0; i < 1_000_000; i++)
        {
            using RcuReadSection section = reader.EnterReadSection();
            sum += Volatile.Read(ref value[0]);
        }
        // end
        Assert.Equal(1_000_000, sum);
    }

    [Fact]
    public async Task RcuAsyncReadSection_crosses_an_await()
    {
        using var domain = new RcuDomain();
        using var current = new RcuCell<Certificate>(new Certificate("first"), domain);
        // shown
        using (RcuAsyncReadSection section = domain.EnterAsyncReadSection())
        {
            Certificate certificate = current.Read(section);
            await Task.Delay(1); // may resume on another thread
            Console.WriteLine(certificate.Name);
        }
        // end
        await domain.SynchronizeAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task RcuGracePeriod_is_waited_for_in_four_ways()
    {
        using var domain = new RcuDomain();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(100);
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        // shown
        domain.Synchronize(); // blocks
        await domain.SynchronizeAsync(cancellation); // awaits
        RcuGracePeriod asked = domain.StartPoll(); // asks, and looks again later
        bool over = domain.Poll(asked);
        domain.Retire(buffer, static old => ArrayPool<byte>.Shared.Return(old)); // is called back
        domain.Barrier(); // everything retired so far has been reclaimed
        // end
        Assert.True(over || !over);
        Background(domain, asked);
        Assert.Equal(1, domain.Statistics.Reclaimed);
    }

    [Fact]
    public void RcuHolder_and_RcuStatistics_tell_who_holds_what_up()
    {
        using var domain = new RcuDomain();
        // shown
        foreach (RcuHolder holder in domain.GetHolders())
        {
            Console.WriteLine(holder); // thread 12 (importer), inside for at least 340 ms
        }

        RcuStatistics statistics = domain.Statistics;
        Console.WriteLine(
            $"{statistics.PendingCount} items and {statistics.PendingBytes} "
                + $"bytes wait for grace period {statistics.GracePeriods + 1}"
        );
        // end
        Assert.Equal(0, statistics.PendingCount);
    }

    private static void Background(RcuDomain domain, RcuGracePeriod asked) =>
        Assert.True(SpinWait.SpinUntil(() => domain.Poll(asked), TimeSpan.FromSeconds(60)));

    private static IEnumerable<string> Blocks(string text, string begin, string end)
    {
        // The markers on separate lines, not as they stand in this method.
        int at = 0;
        while ((at = text.IndexOf(begin, at, StringComparison.Ordinal)) >= 0)
        {
            int from = at + begin.Length;
            at = text.IndexOf(end, from, StringComparison.Ordinal);
            if (at < 0)
            {
                yield break;
            }

            yield return text[from..at].TrimEnd();
        }
    }

    private static string Unindented(string block)
    {
        string[] lines = block.Split('\n');
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length >= indent ? line[indent..] : line));
    }

    private static string RepositoryRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Crosscore.slnx")))
        {
            folder =
                Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("The tests do not run inside of the repository.");
        }

        return folder;
    }

    // shown
    /// <summary>
    /// Work is let in all the time, from one thread; closing it happens once, and waits for the work that is inside.
    /// </summary>
    private sealed class Gate
    {
        private bool _inside;
        private bool _closed;

        public bool TryWork(Action work)
        {
            Volatile.Write(ref _inside, true);
            AsymmetricFence.Light(); // pairs with Heavy in Close: we see _closed, or Close sees _inside
            bool open = !Volatile.Read(ref _closed);
            if (open)
            {
                work();
            }

            Volatile.Write(ref _inside, false); // release: what the work did comes before it
            return open;
        }

        public void Close()
        {
            Volatile.Write(ref _closed, true);
            AsymmetricFence.Heavy(); // pairs with Light in TryWork
            SpinWait.SpinUntil(() => !Volatile.Read(ref _inside));
        }
    }

    // end

    private sealed class Certificate(string name) : IDisposable
    {
        private volatile bool _disposed;

        public string Name => name;

        public bool IsDisposed => _disposed;

        public void Dispose() => _disposed = true;
    }
}
