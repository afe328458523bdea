using System.Globalization;
using Crosscore.Code;
using Crosscore.Linux;

namespace Crosscore.Tests;

/// <summary>
/// Which threads are interrupted when code is installed: none. The rows CAL (function calls, which a membarrier is) and
/// TLB of /proc/interrupts are counted while a sibling spins on another CPU. They belong to the whole machine, so
/// others can only add to them: an operation that interrupts adds one each time in every round, and one that does not
/// has rounds without any.
/// </summary>
public sealed class InterruptTests
{
    private const int InARound = 20;
    private const int Rounds = 100;

    [Fact]
    public void Sealing_verifying_and_installing_interrupts_no_thread()
    {
        var writer = new CodeWriter();
        for (int function = 0; function < 64; function++)
        {
            _ = writer.Append(MachineCode.Return(function));
        }

        var installed = new List<InstalledCode>();
        var verifier = new Accepting();
        long[] rounds = CountRounds(() =>
        {
            using SealedCode code = writer.Seal(verifier);
            installed.Add(code.Install());
        });
        installed.ForEach(code => code.Dispose());
        Assert.Equal(0, rounds[0]);
    }

    [Fact]
    public void Swapping_a_slot_interrupts_no_thread()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode first = code.Install();
        using InstalledCode second = code.Install();
        var slot = new CodeSlot(first.Address);
        Assert.Equal(
            0,
            CountRounds(() => slot.Target = slot.Target == first.Address ? second.Address : first.Address)[0]
        );
    }

    /// <summary>The control: if installing did interrupt, it would be seen.</summary>
    [Fact]
    public void Taking_code_away_again_does_interrupt_the_sibling_each_time()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        long[] rounds = CountRounds(() =>
        {
            using InstalledCode installed = code.Install();
            _ = MachineCode.Call(installed);
        });
        Assert.InRange(rounds[rounds.Length / 2], InARound, long.MaxValue);
    }

    /// <summary>
    /// The control for the other way to write code, the runtime's own: a writable window that is mapped and unmapped.
    /// </summary>
    [Fact]
    public unsafe void A_window_that_is_mapped_written_and_unmapped_does_interrupt_the_sibling_each_time()
    {
        nuint page = (nuint)Environment.SystemPageSize;
        long[] rounds = CountRounds(() =>
        {
            nint window = Mapping.Map(
                page,
                Mapping.PROT_READ | Mapping.PROT_WRITE,
                Mapping.MAP_PRIVATE | Mapping.MAP_ANONYMOUS,
                -1
            );
            *(byte*)window = 0xC3; // SAFETY: just mapped writable
            _ = Mapping.Unmap(window, page);
        });
        Assert.InRange(rounds[rounds.Length / 2], InARound, long.MaxValue);
    }

    /// <summary>
    /// The interrupts of each round, the fewest first. Only rounds count in which the sibling was seen running after
    /// every single operation.
    /// </summary>
    private static long[] CountRounds(Action operation)
    {
        Assert.SkipUnless(
            File.Exists("/proc/interrupts") && Count() is not null,
            "This machine's /proc/interrupts has no rows CAL and TLB."
        );
        for (int warmUp = 0; warmUp < 200; warmUp++)
        {
            operation();
        }

        using var sibling = new SpinningSibling();
        var counts = new List<long>();
        for (int round = 0; round < Rounds; round++)
        {
            sibling.WaitUntilSeenRunning();
            bool ran = true;
            long before = Count()!.Value;
            for (int time = 0; time < InARound; time++)
            {
                operation();
                ran &= sibling.IsRunning();
            }

            long caused = Count()!.Value - before;
            if (ran)
            {
                counts.Add(caused);
            }
        }

        Assert.True(counts.Count > 0, "The sibling was never seen running during a whole round.");
        counts.Sort();
        return [.. counts];
    }

    private static long? Count()
    {
        long sum = 0;
        int rows = 0;
        foreach (string line in File.ReadLines("/proc/interrupts"))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields[0] is "CAL:" or "TLB:")
            {
                rows++;
                sum += fields
                    .Skip(1)
                    .TakeWhile(field => char.IsAsciiDigit(field[0]))
                    .Sum(field => long.Parse(field, CultureInfo.InvariantCulture));
            }
        }

        return rows == 2 ? sum : null;
    }

    private sealed class Accepting : ICodeVerifier
    {
        public CodeVerdict Verify(CodeToVerify code) => CodeVerdict.Accepted;
    }
}
