using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Tracing;
using System.Runtime.CompilerServices;

namespace Crosscore.Tests.Fences;

/// <summary>
/// Methods whose compiled code <see cref="AsymmetricFenceCodeTests"/> reads, each with a twin without the fence in
/// which the compiler does what the fence forbids. They are called in a child process until the JIT has compiled them
/// in each tier that the child's settings allow.
/// </summary>
internal static class FencedCode
{
    /// <summary>How often a method must have been compiled before the child may end.</summary>
    public const string ListingsVariable = "LISTINGS";

    /// <summary>The methods.</summary>
    public static IReadOnlyList<string> Methods { get; } =
    [
        nameof(LoadLightLoad),
        nameof(LoadLoad),
        nameof(StoreLightLoad),
        nameof(LoadLightStore),
        nameof(StoreLightStore),
        nameof(LightInLoop),
        nameof(NothingInLoop),
    ];

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    /// <summary>Without the second load (the value of the first is kept) the fence would be broken.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long LoadLightLoad(ref long x)
    {
        long first = x;
        AsymmetricFence.Light();
        return (first << 1) ^ x;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long LoadLoad(ref long x)
    {
        long first = x;
        return (first << 1) ^ x;
    }

    /// <summary>The shape that the pair is for.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long StoreLightLoad(ref long x, ref long y)
    {
        x = 0x1111;
        AsymmetricFence.Light();
        return y;
    }

    /// <summary>An earlier load that is used late must not sink below the fence.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long LoadLightStore(ref long x, ref long y)
    {
        long first = x;
        AsymmetricFence.Light();
        y = 0x2222;
        return first;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void StoreLightStore(ref long x, ref long y)
    {
        x = 0x3333;
        AsymmetricFence.Light();
        y = 0x4444;
    }

    /// <summary>A load in a loop must not be hoisted out of it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long LightInLoop(ref long x, int turns)
    {
        long sum = 0;
        for (int i = 0; i < turns; i++)
        {
            AsymmetricFence.Light();
            sum += (x * 7) ^ i;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long NothingInLoop(ref long x, int turns)
    {
        long sum = 0;
        for (int i = 0; i < turns; i++)
        {
            sum += (x * 7) ^ i;
        }

        return sum;
    }

    /// <summary>
    /// Calls the methods until the JIT has compiled each so often. (Its listing is complete only when the process has
    /// ended.)
    /// </summary>
    public static int CompileInEveryTier()
    {
        // The decision comes first, as it does in every program that has made a domain: code that is optimized after it
        // holds its value.
        Console.WriteLine(AsymmetricFence.Mode);
        int wanted = int.Parse(Environment.GetEnvironmentVariable(ListingsVariable)!);
        using var compilations = new Compilations();
        long x = 1;
        long y = 2;
        // long enough to be replaced on the stack
        long sum = LightInLoop(ref x, 300_000) + NothingInLoop(ref x, 300_000);
        long began = Stopwatch.GetTimestamp();
        do
        {
            for (int i = 0; i < 200; i++)
            {
                sum +=
                    LoadLightLoad(ref x)
                    + LoadLoad(ref x)
                    + StoreLightLoad(ref x, ref y)
                    + LoadLightStore(ref x, ref y);
                StoreLightStore(ref x, ref y);
                sum += LightInLoop(ref x, 10) + NothingInLoop(ref x, 10);
            }

            if (Stopwatch.GetElapsedTime(began) > Bound)
            {
                Console.Error.WriteLine("The JIT did not compile what was expected of it in time.");
                return 1;
            }
        } while (!Methods.All(method => compilations.Of(method) >= wanted));
        Console.WriteLine(sum);
        return 0;
    }

    /// <summary>Counts what the JIT compiles, by the runtime's own events.</summary>
    private sealed class Compilations : EventListener
    {
        private const EventKeywords Jit = (EventKeywords)0x10;

        private readonly ConcurrentDictionary<string, int> _counts = new();

        public int Of(string method) => _counts.GetValueOrDefault(method);

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "Microsoft-Windows-DotNETRuntime")
            {
                EnableEvents(eventSource, EventLevel.Verbose, Jit);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (
                eventData.EventName?.StartsWith("MethodLoadVerbose", StringComparison.Ordinal) is true
                && eventData.PayloadNames!.IndexOf("MethodName") is >= 0 and var name
                && eventData.Payload![name] is string method
            )
            {
                _ = _counts.AddOrUpdate(method, 1, (_, count) => count + 1);
            }
        }
    }
}
