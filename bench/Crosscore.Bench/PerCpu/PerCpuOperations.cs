using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.PerCpu;

namespace Crosscore.Bench.PerCpu;

/// <summary>An operation in a separate loop, so that no delegate is called inside of what is measured.</summary>
internal sealed record Operation(string Name, Action<int> Run);

/// <summary>
/// The operations that are compared. What a pair takes it gives back, so each can run any number of times.
/// </summary>
internal static unsafe class PerCpuOperations
{
    private static readonly PerCpuCounter Counter = new();
    private static readonly PerCpuReadDomain Sections = new();
    private static readonly PerCpuBuffer<(long, long)> Buffer = new(1000);
    private static readonly PerCpuFreeList List = FilledList();
    private static readonly PerCpuFreeList Second = FilledList();
    private static readonly PerCpuBlockPool Pool = new(64);
    private static readonly ConcurrentBag<object> Objects = new(Enumerable.Range(0, 100).Select(_ => new object()));
    private static readonly ConcurrentStack<object> Things = new(Enumerable.Range(0, 100).Select(_ => new object()));

    // xor eax, eax; ret: what a call without content costs.
    private static readonly delegate* unmanaged[SuppressGCTransition]<nint, long, long> Empty =
        (delegate* unmanaged[SuppressGCTransition]<nint, long, long>)
            SealedCode.Seal([0x31, 0xC0, 0xC3]).Install().Address;

    private static long _shared;

    [ThreadStatic]
    private static long _own;

    public static Operation EmptyCall { get; } =
        new(
            "an empty call of the same kind",
            count =>
            {
                for (int i = 0; i < count; i++)
                {
                    if (Empty(0, 1) != 0)
                    {
                        throw new InvalidOperationException("The empty function has returned something.");
                    }
                }
            }
        );

    public static Operation TwoEmptyCalls { get; } =
        new(
            "two empty calls of the same kind",
            count =>
            {
                for (int i = 0; i < count; i++)
                {
                    if (Empty(0, 1) != 0 || Empty(0, 1) != 0)
                    {
                        throw new InvalidOperationException("The empty function has returned something.");
                    }
                }
            }
        );

    public static Operation Add { get; } =
        new(
            "PerCpuCounter.Add",
            count =>
            {
                PerCpuCounter counter = Counter;
                for (int i = 0; i < count; i++)
                {
                    counter.Add(1);
                }
            }
        );

    public static Operation Interlocked { get; } =
        new(
            "Interlocked.Increment",
            count =>
            {
                for (int i = 0; i < count; i++)
                {
                    _ = System.Threading.Interlocked.Increment(ref _shared);
                }
            }
        );

    public static Operation ThreadStatic { get; } =
        new(
            "[ThreadStatic] ++",
            count =>
            {
                for (int i = 0; i < count; i++)
                {
                    _own++;
                }
            }
        );

    public static Operation CurrentCpu { get; } =
        new(
            "RestartableSequences.CurrentCpu",
            count =>
            {
                int sum = 0;
                for (int i = 0; i < count; i++)
                {
                    sum += RestartableSequences.CurrentCpu();
                }

                _own += sum;
            }
        );

    public static Operation ProcessorId { get; } =
        new(
            "Thread.GetCurrentProcessorId",
            count =>
            {
                int sum = 0;
                for (int i = 0; i < count; i++)
                {
                    sum += Thread.GetCurrentProcessorId();
                }

                _own += sum;
            }
        );

    public static Operation ReadSection { get; } =
        new(
            "PerCpuReadDomain, begin and end",
            count =>
            {
                PerCpuReadDomain sections = Sections;
                for (int i = 0; i < count; i++)
                {
                    sections.EnterReadSection().Dispose();
                }
            }
        );

    public static Operation Append { get; } =
        new(
            "PerCpuBuffer.Append, 16 bytes, drained",
            count =>
            {
                PerCpuBuffer<(long, long)> buffer = Buffer;
                for (int i = 0; i < count; i++)
                {
                    if (!buffer.Append((i, i)))
                    {
                        _ = buffer.Drain(static (_, _) => { });
                    }
                }
            }
        );

    public static Operation FreeList { get; } =
        new(
            "PerCpuFreeList",
            count =>
            {
                PerCpuFreeList list = List;
                for (int i = 0; i < count; i++)
                {
                    // Moved to a CPU whose list is empty, it takes one from the other.
                    if (list.TryPop(out nint block) || list.TrySteal(out block, out _))
                    {
                        list.Push(block);
                    }
                }
            }
        );

    /// <summary>
    /// What a pair costs when the next need not wait for it: in one list every pop loads what the push before it has
    /// just stored, and every push what the pop has.
    /// </summary>
    public static Operation TwoFreeLists { get; } =
        new(
            "PerCpuFreeList, two lists in turn",
            count =>
            {
                PerCpuFreeList one = List;
                PerCpuFreeList two = Second;
                for (int i = 0; i < count; i += 2)
                {
                    if (one.TryPop(out nint block) || one.TrySteal(out block, out _))
                    {
                        one.Push(block);
                    }

                    if (two.TryPop(out block) || two.TrySteal(out block, out _))
                    {
                        two.Push(block);
                    }
                }
            }
        );

    public static Operation BlockPool { get; } =
        new(
            "PerCpuBlockPool",
            count =>
            {
                PerCpuBlockPool pool = Pool;
                for (int i = 0; i < count; i++)
                {
                    pool.Return(pool.Rent());
                }
            }
        );

    public static Operation Bag { get; } =
        new(
            "ConcurrentBag",
            count =>
            {
                ConcurrentBag<object> bag = Objects;
                for (int i = 0; i < count; i++)
                {
                    if (bag.TryTake(out object? thing))
                    {
                        bag.Add(thing);
                    }
                }
            }
        );

    public static Operation Stack { get; } =
        new(
            "ConcurrentStack",
            count =>
            {
                ConcurrentStack<object> stack = Things;
                for (int i = 0; i < count; i++)
                {
                    if (stack.TryPop(out object? thing))
                    {
                        stack.Push(thing);
                    }
                }
            }
        );

    public static Operation ArrayPool { get; } =
        new(
            "ArrayPool<byte>.Shared, 64 bytes",
            count =>
            {
                ArrayPool<byte> pool = ArrayPool<byte>.Shared;
                for (int i = 0; i < count; i++)
                {
                    pool.Return(pool.Rent(64));
                }
            }
        );

    public static Operation NativeHeap { get; } =
        new(
            "NativeMemory.Alloc and Free, 64 bytes",
            count =>
            {
                for (int i = 0; i < count; i++)
                {
                    NativeMemory.Free(NativeMemory.Alloc(64));
                }
            }
        );

    private static PerCpuFreeList FilledList()
    {
        var list = new PerCpuFreeList();
        nint memory = (nint)NativeMemory.AlignedAlloc(100 * 64, 64);
        for (int i = 0; i < 100; i++)
        {
            list.Push(memory + (i * 64));
        }

        return list;
    }
}
