using System.Diagnostics.Metrics;
using System.Reflection;
using Crosscore.Code;
using Crosscore.HazardPointers;
using Crosscore.Locks;
using Crosscore.PerCpu;
using Crosscore.Rcu;
using Crosscore.Structures;

namespace Crosscore.Tests.Sandbox.Hidden;

/// <summary>One entry of the library as a program uses it, from the first call to the last.</summary>
/// <param name="Name">What is used.</param>
/// <param name="Use">Uses it and demands that the answer is right.</param>
/// <param name="Types">The public types that this goes through.</param>
/// <param name="Documented">
/// What it may throw because of the system. OutOfMemoryException: no thread can be started, which takes a descriptor,
/// be it by the domain or by the use.
/// </param>
internal sealed record LibraryUse(string Name, Action Use, Type[] Types, params Type[] Documented)
{
    /// <summary>Everything that the library offers and that may ask the system something.</summary>
    public static IReadOnlyList<LibraryUse> All { get; } =
    [
        .. Child
            .MembersOfMembarrier()
            .Select(member => new LibraryUse(
                $"Membarrier.{member.Name}",
                () => Invoke(member.Use),
                [typeof(Membarrier)],
                typeof(MembarrierException)
            )),
        new(
            "MachineGuarantees.Detect",
            () =>
                Assert.Equal(Enum.GetValues<MachinePromise>(), MachineGuarantees.Detect().Select(line => line.Promise)),
            [typeof(MachineGuarantees), typeof(MachineGuarantee)]
        ),
        new("CoreSerialization.Self", CoreSerialization.Self, [typeof(CoreSerialization)], typeof(CodeException)),
        new(
            "CoreSerialization.AllThreads",
            () => CoreSerialization.AllThreads(),
            [typeof(CoreSerialization)],
            typeof(CodeException),
            typeof(MembarrierException)
        ),
        new(
            "CoreSerialization.AllThreads, measured",
            () => CoreSerialization.AllThreads(CodeMode.Measured),
            [typeof(CoreSerialization)],
            typeof(CodeException),
            typeof(MembarrierException)
        ),
        new(
            "CoreSerialization, every CPU",
            () => CoreSerialization.VisitEveryCpu("this is a test"),
            [typeof(CoreSerialization)],
            typeof(CodeException),
            typeof(MembarrierException)
        ),
        new("AsymmetricFence.Heavy", AsymmetricFence.Heavy, [typeof(AsymmetricFence)], typeof(MembarrierException)),
        new(
            "AsymmetricFence.HeavyAsync",
            () => AsymmetricFence.HeavyAsync().GetAwaiter().GetResult(),
            [typeof(AsymmetricFence)],
            typeof(MembarrierException),
            typeof(OutOfMemoryException)
        ),
        new(
            "AsymmetricFence.HeavyCount",
            () => Assert.True(AsymmetricFence.HeavyCount >= AsymmetricFence.BarrierCount),
            [typeof(AsymmetricFence)]
        ),
        new(
            "RcuDomain",
            UseRcu,
            [
                typeof(RcuDomain),
                typeof(RcuDomainOptions),
                typeof(RcuReadSection),
                typeof(RcuReader),
                typeof(RcuAsyncReadSection),
                typeof(RcuGracePeriod),
                typeof(RcuHolder),
                typeof(RcuStatistics),
            ],
            typeof(OutOfMemoryException)
        ),
        new("RcuCell", UseCell, [typeof(RcuCell<>)], typeof(OutOfMemoryException)),
        new(
            "HazardDomain",
            UseHazardPointers,
            [typeof(HazardDomain), typeof(HazardPointer), typeof(HazardPointerArray), typeof(HazardCohort)]
        ),
        new(
            "HazardDomain, in the background",
            UseBackgroundHazards,
            [typeof(HazardDomain), typeof(HazardDomainOptions), typeof(HazardExecutor), typeof(HazardHolder)],
            typeof(AggregateException)
        ),
        new("BiasedLock", UseBiasedLock, [typeof(BiasedLock)], typeof(OutOfMemoryException)),
        new("AsymmetricReaderWriterLock", UseReaderWriterLock, [typeof(AsymmetricReaderWriterLock)]),
        new("ReadMostlyMap", UseMap, [typeof(ReadMostlyMap<,>)], typeof(OutOfMemoryException)),
        new("NativeStack", UseStack, [typeof(NativeStack<>)]),
        new("NativeQueue", UseQueue, [typeof(NativeQueue<>)]),
        new(
            "RestartableSequences",
            () =>
                Assert.NotNull(
                    $"{RestartableSequences.State} {RestartableSequences.Explanation} "
                        + $"{RestartableSequences.Barrier} {RestartableSequences.CurrentCpu()} "
                        + $"{RestartableSequences.CpuSlots}"
                ),
            [typeof(RestartableSequences)]
        ),
        new("PerCpuCounter", UseCounter, [typeof(PerCpuCounter)]),
        new("PerCpuHistogram", UseHistogram, [typeof(PerCpuHistogram), typeof(PerCpuInstruments)]),
        new("PerCpuBuffer", UseBuffer, [typeof(PerCpuBuffer<>)]),
        new("PerCpuBlockPool", UsePool, [typeof(PerCpuBlockPool), typeof(PerCpuFreeList)]),
        new(
            "SealedCode",
            () => Assert.Equal(42, MachineCode.Call(MachineCode.Return42)),
            [typeof(SealedCode), typeof(InstalledCode), typeof(CodeWriter), typeof(CodeFunction)],
            typeof(CodeException)
        ),
        new("CodeTransfer.Digest", UseDigest, [typeof(CodeTransfer)], typeof(CodeException)),
        new("CodeSlot", UseSlot, [typeof(CodeSlot), typeof(CodeReclaimer)], typeof(CodeException)),
        new(
            "LiveCode",
            UseLiveCode,
            [typeof(LiveCode), typeof(CodePatch), typeof(PatchPlan)],
            typeof(CodeException),
            typeof(PlatformNotSupportedException)
        ),
        new("CodeNames.Find", () => Assert.Null(CodeNames.Find(1)), [typeof(CodeNames)]),
    ];

    /// <summary>Uses it.</summary>
    /// <returns>"done", or "documented" or "undocumented", a tab and what was thrown.</returns>
    public string Outcome()
    {
        try
        {
            Use();
            return "done";
        }
        catch (Exception exception)
        {
            bool documented =
                Documented.Any(type => type.IsInstanceOfType(exception))
                && exception is not CodeException { Failure: CodeFailure.Unexpected };
            string text = documented ? $"{exception.GetType().Name}: {exception.Message}" : exception.ToString();
            return $"{(documented ? "documented" : "undocumented")}\t{text.ReplaceLineEndings(" ")}";
        }
    }

    private static void Invoke(Func<object?> use)
    {
        try
        {
            _ = use();
        }
        catch (TargetInvocationException wrapped)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(wrapped.InnerException!);
        }
    }

    private static void UseRcu()
    {
        using var domain = new RcuDomain(new RcuDomainOptions { Name = "hidden" });
        using (RcuReadSection section = domain.EnterReadSection())
        {
            Assert.True(domain.IsInReadSection);
        }

        domain.GetReader().EnterReadSection().Dispose();
        domain.EnterAsyncReadSection().Dispose();
        domain.Synchronize();
        domain.SynchronizeAsync().GetAwaiter().GetResult();
        RcuGracePeriod period = domain.StartPoll();
        Assert.True(SpinWait.SpinUntil(() => domain.Poll(period), TimeSpan.FromSeconds(60)));
        int reclaimed = 0;
        domain.Retire(0, _ => reclaimed++);
        domain.Barrier();
        Assert.Equal(1, reclaimed);
        Assert.Empty(domain.GetHolders());
        Assert.NotNull(domain.Statistics);
    }

    private static void UseCell()
    {
        using var domain = new RcuDomain();
        using var cell = new RcuCell<string>("one", domain);
        cell.Replace("two");
        using (cell.Read(out string value))
        {
            Assert.Equal("two", value);
        }
    }

    private static void UseHazardPointers()
    {
        int freed = 0;
        using (var domain = new HazardDomain(1, executor: HazardExecutor.Caller))
        {
            domain.Acquire().Dispose();
            domain.Acquire(2).Dispose();
            using HazardCohort cohort = domain.CreateCohort();
            domain.Retire(new object(), _ => freed++, cohort: cohort);
            domain.Retire(new object(), _ => freed++);
            _ = domain.Reclaim();
        }

        Assert.Equal(2, freed);
    }

    private static void UseBackgroundHazards()
    {
        int freed = 0;
        AggregateException? refusal = null;
        using (
            var domain = new HazardDomain(
                new HazardDomainOptions
                {
                    Name = "hidden",
                    ScanThreshold = 1,
                    Executor = HazardExecutor.Background,
                }
            )
        )
        {
            try
            {
                domain.Retire(new object(), _ => Interlocked.Increment(ref freed));
            }
            catch (AggregateException thrown) when (thrown.InnerExceptions is [OutOfMemoryException])
            {
                refusal = thrown; // It is retired, and Dispose reclaims it.
            }

            Assert.All(domain.GetHolders(), holder => Assert.True(holder.Count > 0));
        }

        Assert.Equal(1, freed);
        if (refusal is not null)
        {
            throw refusal;
        }
    }

    private static void UseBiasedLock()
    {
        var gate = new BiasedLock();
        gate.EnterScope().Dispose();
        var other = new Thread(() => gate.EnterScope().Dispose());
        other.Start();
        other.Join();
        gate.EnterScope().Dispose();
        Assert.False(gate.IsHeldByCurrentThread);
    }

    private static void UseReaderWriterLock()
    {
        var gate = new AsymmetricReaderWriterLock();
        gate.EnterReadScope().Dispose();
        gate.EnterWriteScope().Dispose();
        Assert.False(gate.IsReadLockHeld || gate.IsWriteLockHeld);
    }

    private static void UseMap()
    {
        using var domain = new RcuDomain();
        using var map = new ReadMostlyMap<int, string>(domain);
        Assert.True(map.TryAdd(1, "one") && map.ContainsKey(1) && map.TryRemove(1));
    }

    private static void UseStack()
    {
        using var domain = new HazardDomain();
        using var stack = new NativeStack<long>(domain);
        stack.Push(7);
        Assert.True(stack.TryPop(out long value));
        Assert.Equal(7, value);
    }

    private static void UseQueue()
    {
        using var domain = new HazardDomain();
        using var queue = new NativeQueue<long>(domain);
        queue.Enqueue(7);
        Assert.True(queue.TryDequeue(out long value));
        Assert.Equal(7, value);
    }

    private static void UseCounter()
    {
        var counter = new PerCpuCounter();
        counter.Add(7);
        Assert.Equal(7, counter.Sum());
    }

    private static void UseHistogram()
    {
        var histogram = new PerCpuHistogram(1, 10);
        histogram.Record(5);
        Assert.Equal(1, histogram.Counts().Sum());
        using var meter = new Meter("hidden");
        meter.ObserveHistogram(histogram, "histogram");
    }

    private static void UseBuffer()
    {
        var buffer = new PerCpuBuffer<long>(8);
        _ = buffer.Append(7);
        Assert.Equal(1, buffer.Drain((_, _) => { }) + buffer.Lost);
    }

    private static void UsePool()
    {
        using var pool = new PerCpuBlockPool(64);
        pool.Return(pool.Rent());
        var list = new PerCpuFreeList();
        Assert.False(list.TryPop(out _));
    }

    private static void UseDigest()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        Assert.Equal(32, code.Digest().Length);
    }

    private static void UseSlot()
    {
        using SealedCode sealedCode = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode code = sealedCode.Install();
        var slot = new CodeSlot(code.Address);
        Assert.Equal(42, MachineCode.Call(slot.Address));
        var live = new CodeSlot(slot.Address);
        Assert.Equal(42, MachineCode.Call(live.Address));
    }

    private static void UseLiveCode()
    {
        using LiveCode code = LiveCode.Install(MachineCode.Return42);
        _ = new CodePatch().Replace(code, 1, [43, 0, 0, 0]).Commit();
        Assert.Equal(43, MachineCode.Call(code.Address));
    }
}
