using Crosscore.Code;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using Crosscore.Tests.Sandbox.Refusals;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// What per-CPU data does by system calls, each of which <see cref="PerCpuRefusalTests"/> refuses. Counts, records and
/// blocks are exact under every refusal; that a thing made under a refusal is striped is an answer, that a thing made
/// later is striped too would be a refusal remembered.
/// </summary>
internal static class PerCpuScenarios
{
    public const string State = "what there is of rseq";
    public const string Structures = "everything that counts, keeps and lends";
    public const string Area = "an area with a section of one's own";
    public const string Stop = "a slot that is stopped and a buffer that is resized";

    /// <summary>
    /// The calls that find out what there is are refused in the first; the others begin where that is known, and their
    /// own are refused.
    /// </summary>
    public static IReadOnlyList<RefusalScenario> All { get; } =
    [
        new(State, AskState, typeof(UnansweredException)),
        new(Structures, UseStructures, typeof(UnansweredException), typeof(MembarrierException)) { Prepare = FindOut },
        new(Area, UseArea, typeof(UnansweredException), typeof(CodeException), typeof(MembarrierException))
        {
            Prepare = FindOut,
        },
        new(Stop, StopSlots, typeof(UnansweredException), typeof(MembarrierException)) { Prepare = PrepareStop },
    ];

    private static void FindOut()
    {
        Assert.True(RestartableSequences.CanRestart);
        Assert.True(RestartableSequences.CpuSlots > 0);
    }

    private static void PrepareStop()
    {
        StopSlots();
        FindOut();
    }

    private static void UseStructures()
    {
        UseCounter();
        UseBuffer();
        UsePool();
    }

    private static void AskState()
    {
        _ = RestartableSequences.State;
        _ = RestartableSequences.Explanation;
        _ = RestartableSequences.Explanation;
        Assert.InRange(RestartableSequences.CurrentCpu(), 0, RestartableSequences.CpuSlots - 1);
        MembarrierFailure barrier = RestartableSequences.Barrier;
        Demand(RestartableSequences.IsAvailable, $"{RestartableSequences.State}: {RestartableSequences.Explanation}");
        Demand(RestartableSequences.CanRestart, $"{barrier}");
        bool known = RestartableSequences.TryGetConcurrencyId(out int id);
        Assert.Equal(known, id >= 0);
        Demand(known && RestartableSequences.ConcurrencyIdTrusted, "no concurrency id");
    }

    private static void UseCounter()
    {
        var counter = new PerCpuCounter();
        counter.Add(41);
        counter.Increment();
        Assert.Equal(42, counter.Sum());
        Demand(counter.UsesSections, "the counter is striped");
    }

    private static void UseBuffer()
    {
        var buffer = new PerCpuBuffer<long>(2);
        int appended = 0;
        for (int i = 0; i < 100; i++)
        {
            appended += buffer.Append(i) ? 1 : 0;
        }

        Assert.Equal(100 - appended, buffer.Lost);
        Assert.Equal(appended, buffer.Drain((_, _) => { }));
        Demand(buffer.UsesSections, "the buffer is striped");
    }

    private static void UsePool()
    {
        using var pool = new PerCpuBlockPool(64);
        nint[] blocks = [.. Enumerable.Range(0, 3000).Select(_ => pool.Rent())];
        Assert.Equal(3000, blocks.Distinct().Count());
        Array.ForEach(blocks, pool.Return);
        _ = Assert.Throws<InvalidOperationException>(() => pool.Return(blocks[0]));
        Demand(pool.UsesSections, "the pool is striped");
    }

    private static void UseArea()
    {
        var area = new PerCpuArea(16);
        PerCpuSection add = Add(area);
        Assert.True(add.Run(area, 20).Committed);
        Assert.True(add.Run(area, 22).Committed);
        Assert.Equal(42, Sum(area));
        area.Stop(0).Dispose();
        Assert.True(add.Run(area, 1).Committed);
        Demand(area.UsesSections && add.Installed is not null, "the area or the section is without machine code");
    }

    private static void StopSlots()
    {
        var area = new PerCpuArea(16);
        PerCpuSection add = Add(area);
        Assert.True(add.Run(area, 5).Committed);
        MembarrierException? refusal = null;
        long taken = 0;
        for (int slot = 0; slot < area.SlotCount; slot++)
        {
            try
            {
                using StoppedSlot stopped = area.Stop(slot);
                taken += stopped.Words[0];
                stopped.Words[0] = 0;
            }
            catch (MembarrierException thrown)
            {
                refusal = thrown;
            }
        }

        // A refused stop left the slot as it was, and the area can be used and stopped.
        Assert.Equal(5, taken + Sum(area));
        Assert.True(add.Run(area, 5).Committed);
        Assert.Equal(10, taken + Sum(area));
        Demand(refusal is null && taken == 5, $"{refusal?.Message}");
        var buffer = new PerCpuBuffer<long>(4);
        Assert.True(buffer.Append(1));
        try
        {
            buffer.Resize(8);
        }
        catch (MembarrierException thrown)
        {
            refusal = thrown;
        }

        Assert.Equal(8, buffer.CapacityPerCpu);
        Assert.True(buffer.Append(2));
        Assert.Equal(2, buffer.Drain((_, _) => { }));
        Assert.True(buffer.Append(3));
        Assert.Equal(1, buffer.Drain((_, _) => { }));
        Demand(refusal is null && buffer.UsesSections, $"{refusal?.Message}");
    }

    private static PerCpuSection Add(PerCpuArea area)
    {
        SectionBuilder writing = area.NewSection();
        writing.CommitAdd(0, writing.Argument(0));
        return writing.Build();
    }

    private static long Sum(PerCpuArea area) => Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, 0));

    private static void Demand(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new UnansweredException(otherwise);
        }
    }
}
