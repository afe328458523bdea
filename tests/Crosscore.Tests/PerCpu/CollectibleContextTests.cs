using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Crosscore.Code;
using Crosscore.HazardPointers;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using Crosscore.Rcu;
using Crosscore.Structures;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// A plugin that brings the library with it can be unloaded: nothing that was used keeps the load context alive.
/// </summary>
[Collection(CodeEventsTests.SourceOfCode)]
public sealed class CollectibleContextTests
{
    /// <summary>Names of the methods of <see cref="Plugin"/>, one for each namespace.</summary>
    public static TheoryData<string> Namespaces =>
        [
            nameof(Plugin.UseNothing),
            nameof(Plugin.UseFences),
            nameof(Plugin.UseReclamation),
            nameof(Plugin.UseStructures),
            nameof(Plugin.UsePerCpu),
            nameof(Plugin.UseCode),
        ];

    [Theory]
    [MemberData(nameof(Namespaces))]
    public void A_context_whose_library_was_used_is_collected_once_it_is_unloaded(string member)
    {
        WeakReference context = UseInContextOfItsOwn(member);
        AssertCollected(context);
    }

    /// <summary>The control: a context that something outside still refers to.</summary>
    [Fact]
    public void A_context_that_something_refers_to_stays()
    {
        WeakReference context = UseInContextOfItsOwn(nameof(Plugin.KeepCounting));
        for (int i = 0; i < 10; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.True(context.IsAlive);
        Plugin.Held = null;
        AppDomain.CurrentDomain.SetData(nameof(Plugin.KeepCounting), null);
        AssertCollected(context);
    }

    private static void AssertCollected(WeakReference context)
    {
        // A reclaimer that was started ends by itself some time after its last work; nothing here depends on how soon.
        var begin = System.Diagnostics.Stopwatch.StartNew();
        while (context.IsAlive && begin.Elapsed < TimeSpan.FromSeconds(60))
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            _ = Thread.Yield();
        }

        Assert.False(context.IsAlive, "The context was unloaded, but something keeps it.");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference UseInContextOfItsOwn(string member)
    {
        var context = new OwnContext();
        Assembly tests = context.LoadFromAssemblyPath(typeof(CollectibleContextTests).Assembly.Location);
        Type plugin = tests.GetType(typeof(Plugin).FullName!)!;
        Assert.NotSame(typeof(Plugin), plugin);
        Assert.NotSame(
            typeof(PerCpuCounter).Assembly,
            (Assembly)plugin.GetMethod(nameof(Plugin.Library))!.Invoke(null, null)!
        );
        _ = plugin.GetMethod(member)!.Invoke(null, null);
        context.Unload();
        return new WeakReference(context);
    }

    /// <summary>Loads the library and these tests anew; all else is shared.</summary>
    private sealed class OwnContext() : AssemblyLoadContext("a plugin", isCollectible: true)
    {
        protected override Assembly? Load(AssemblyName assemblyName) =>
            assemblyName.Name == "Crosscore" ? LoadFromAssemblyPath(typeof(PerCpuCounter).Assembly.Location) : null;
    }
}

/// <summary>
/// What a plugin does with the library; compiled here, run in another context. Nothing of xunit is used: that is not
/// loaded anew.
/// </summary>
public static unsafe class Plugin
{
    /// <summary>What the control keeps.</summary>
    public static object? Held { get; set; }

    public static Assembly Library() => typeof(PerCpuCounter).Assembly;

    public static void UseNothing() { }

    public static void KeepCounting()
    {
        Held = new PerCpuCounter();
        AppDomain.CurrentDomain.SetData(nameof(KeepCounting), Held);
    }

    public static void UseFences()
    {
        AsymmetricFence.Light();
        AsymmetricFence.Heavy();
        _ = Membarrier.TryRegister(MembarrierRegistrations.RestartSequences, out _);
        _ = MachineGuarantees.Detect();
        CoreSerialization.Self();
        CoreSerialization.AllThreads();
    }

    public static void UseReclamation()
    {
        using (var domain = new RcuDomain())
        {
            using (domain.EnterReadSection())
            {
                domain.Retire(new object(), _ => { });
            }

            domain.Synchronize();
            domain.Barrier();
        }

        RcuDomain.Default.Retire(new object(), _ => { });
        RcuDomain.Default.Barrier();
        using var pointers = new HazardDomain();
        pointers.Retire(new object(), _ => { });
        pointers.Reclaim();
        using (HazardPointer pointer = HazardDomain.Default.Acquire()) { }

        HazardDomain.Default.Retire(new object(), _ => { });
        HazardDomain.Default.Reclaim();
    }

    public static void UseStructures()
    {
        var map = new ReadMostlyMap<string, string>();
        _ = map.TryAdd("one", "1");
        using var queue = new NativeQueue<long>();
        queue.Enqueue(1);
        _ = queue.TryDequeue(out _);
        using var stack = new NativeStack<long>();
        stack.Push(1);
        _ = stack.TryPop(out _);
    }

    public static void UsePerCpu()
    {
        new PerCpuCounter().Increment();
        new PerCpuHistogram(1, 2).Record(1);
        var buffer = new PerCpuBuffer<long>(4);
        _ = buffer.Append(1);
        buffer.Resize(8);
        _ = buffer.Drain((_, _) => { });
        using var pool = new PerCpuBlockPool(64);
        pool.Return(pool.Rent());
        _ = new PerCpuFreeList().TrySteal(out _, out _);
        var sections = new PerCpuReadDomain();
        sections.EnterReadSection().Dispose();
        sections.Synchronize();
        var area = new PerCpuArea(8);
        SectionBuilder writing = area.NewSection();
        writing.CommitAdd(0, writing.Argument(0));
        _ = writing.Build().Run(area, 1);
        area.Stop(0).Dispose();
        _ = RestartableSequences.CurrentCpu();
    }

    public static void UseCode()
    {
        using (SealedCode sealedCode = SealedCode.Seal([0xC3]))
        using (InstalledCode installed = sealedCode.Install())
        {
            _ = CodeNames.Find(installed.Address);
        }

        using (LiveCode live = LiveCode.Install([0x90, 0xC3]))
        {
            ((delegate* unmanaged<void>)live.Address)();
        }

        try
        {
            _ = SealedCode.Seal([]);
        }
        catch (Exception refusal) when (refusal is CodeException or ArgumentException) { }
    }
}
