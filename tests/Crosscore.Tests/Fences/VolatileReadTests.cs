using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Rcu;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Fences;

/// <summary>
/// The JIT of .NET 10.0 breaks the order of volatile reads in two shapes, for both of which the whole library is
/// searched: RcuHazardTests has the list of straight pieces, here is that of the loops, and the code that the JIT emits
/// for a loop of that shape.
/// </summary>
public sealed partial class VolatileReadTests
{
    /// <summary>
    /// Loops with a plain load and a volatile read, and why nothing is lost if the load leaves its loop, or why it
    /// cannot.
    /// </summary>
    private static readonly Dictionary<string, string> Harmless = new()
    {
        ["<get_Values>d__12.MoveNext"] = "the state of the thread that enumerates; of a node, the next one each turn",
        ["Bias.TryRevoke"] = "stored by this thread, under the lock that is held",
        ["CodeEvents.PublishInstruments"] = "captured by this thread",
        ["EntryEnumerator.MoveNext"] = "the state of the thread that enumerates",
        ["GracePeriods.IsOver"] = "the owner of a slot never changes",
        ["HazardScanner.GetHolders"] = "links of what waits change under the lock of scans alone",
        ["HazardSnapshot.Add"] = "a local of the caller",
        ["HazardSnapshot.Take"] = "the record after the one that the loop is at; a local",
        ["HazardWorker.Gather"] = "an array of the worker's, which no other thread has",
        ["PerCpuSlots.WaitForLock"] = "a local of the caller",
        ["ReadMostlyMap`2.Find"] = "written once, before the node is published",
        ["ReaderRegistry.CollectHolders"] = "the owner of a slot never changes",
        ["SlotTable.CountSwaps"] = "changes only under the lock that is held",
    };

    [Fact]
    public void No_loop_of_the_library_holds_a_plain_load_that_may_not_leave_it_beside_a_volatile_read() =>
        Assert.DoesNotContain(
            VolatileReadOrder.MethodsWithLoads(typeof(Membarrier).Assembly.GetTypes()),
            line => !Harmless.ContainsKey(line.Split(':')[0])
        );

    [Fact]
    public void Plain_loads_are_found_in_a_loop_with_a_volatile_read_and_behind_a_property_and_not_beside_a_barrier() =>
        Assert.Equal(
            [
                $"{nameof(Controls)}.{nameof(Controls.BehindProperty)}: Shared.Value",
                $"{nameof(Controls)}.{nameof(Controls.Hoisted)}: Shared.Value",
                $"{nameof(Controls)}.{nameof(Controls.OfVolatileField)}: Shared.Value",
            ],
            VolatileReadOrder.MethodsWithLoads([typeof(Controls)])
        );

    /// <summary>
    /// What makes the search worth its while: this compiler does move the load. Where it no longer does this test
    /// fails, and the search, the remarks on it and the advice in docs/fences.md are to be looked at again.
    /// </summary>
    [Fact]
    public void The_compiler_takes_the_load_of_the_control_out_of_its_loop()
    {
        Assert.SkipUnless(RuntimeInformation.ProcessArchitecture == Architecture.X64, "Reads x86-64 code.");
        string file = Path.Combine(AppContext.BaseDirectory, $"listing-{Guid.NewGuid():N}.txt");
        try
        {
            string[] methods = [nameof(Controls.Hoisted), nameof(Controls.Kept)];
            ChildResult child = ChildProcess.RunThisProgram(
                Child.CompileVolatileReads,
                null,
                ("DOTNET_JitDisasm", string.Join(' ', methods)),
                ("DOTNET_JitStdOutFile", file),
                ("DOTNET_TieredCompilation", "0")
            );
            Assert.True(child.Status == 0, child.Errors);
            Dictionary<string, string[]> code = Header()
                .Matches(File.ReadAllText(file))
                .ToDictionary(method => method.Groups[1].Value, method => method.Groups[2].Value.Split('\n'));

            Assert.Equal(1, LoadsInLoop(code[nameof(Controls.Hoisted)]));
            Assert.Equal(2, LoadsInLoop(code[nameof(Controls.Kept)]));
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>As the child: has the controls compiled.</summary>
    internal static int CompileControls()
    {
        var shared = new Shared { Ready = 1 };
        long sum = Controls.Hoisted(shared, 3) + Controls.Kept(shared, 3);
        Console.WriteLine(sum);
        return 0;
    }

    /// <summary>Loads between a jump backwards and its target.</summary>
    private static int LoadsInLoop(string[] code)
    {
        int most = 0;
        for (int at = 0; at < code.Length; at++)
        {
            int target = Jump().Match(code[at]) is { Success: true } jump
                ? Array.FindIndex(code, line => line.StartsWith(jump.Groups[1].Value + ":", StringComparison.Ordinal))
                : -1;
            most =
                target >= 0 && target < at
                    ? Math.Max(most, code[target..at].Count(line => Load().IsMatch(line)))
                    : most;
        }

        return most;
    }

    [GeneratedRegex(
        @"; Assembly listing for method \S*Controls:(\w+)\((.*?)(?=; Assembly listing|\z)",
        RegexOptions.Singleline
    )]
    private static partial Regex Header();

    [GeneratedRegex(@"\bptr\b.*\[r(?!sp|bp)\w+\+0x[0-9A-F]+\]")]
    private static partial Regex Load();

    [GeneratedRegex(@"^\s*j\w+\s+(?:SHORT\s+)?(\w+)")]
    private static partial Regex Jump();

    [StructLayout(LayoutKind.Sequential)]
    private sealed class Shared
    {
        public long Value;
        public long Ready;
        public volatile int Third;

        public long Property => Value;
    }

    /// <summary>What the search must find, and what it must not.</summary>
    private static class Controls
    {
        [MethodImpl(MethodImplOptions.NoInlining)]
        public static long Hoisted(Shared shared, int turns)
        {
            long value = 0;
            long seen = 0;
            while (seen < turns)
            {
                value = shared.Value;
                if (Volatile.Read(ref shared.Ready) != 0)
                {
                    seen++;
                }
            }

            return value;
        }

        /// <summary>The twin: a barrier keeps the load where it is.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        public static long Kept(Shared shared, int turns)
        {
            long value = 0;
            long seen = 0;
            while (seen < turns)
            {
                value = shared.Value;
                Volatile.ReadBarrier();
                if (Volatile.Read(ref shared.Ready) != 0)
                {
                    seen++;
                }
            }

            return value;
        }

        public static long BehindProperty(Shared shared)
        {
            long value = 0;
            while (Volatile.Read(ref shared.Ready) == 0)
            {
                value += shared.Property;
            }

            return value;
        }

        public static long OfVolatileField(Shared shared)
        {
            long value = 0;
            while (shared.Third == 0)
            {
                value += shared.Value;
            }

            return value;
        }

        /// <summary>Without a loop there is nothing to leave.</summary>
        public static long Straight(Shared shared)
        {
            long value = shared.Value;
            return value + Volatile.Read(ref shared.Ready);
        }
    }
}
