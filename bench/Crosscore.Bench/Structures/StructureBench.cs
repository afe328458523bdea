using System.Collections.Concurrent;
using Crosscore.Rcu;
using Crosscore.Structures;

namespace Crosscore.Bench.Structures;

/// <summary>
/// Look-ups in the read-mostly map, and the queue and the stack of native nodes, against the runtime's collections.
/// </summary>
internal static class StructureBench
{
    private const int Keys = 1024;

    private static readonly RcuDomain Domain = new();
    private static readonly string[] Names = [.. Enumerable.Range(0, Keys).Select(key => $"key {key}")];
    private static readonly ReadMostlyMap<int, string> Numbers = new(Domain);
    private static readonly ReadMostlyMap<string, string> Strings = new(Domain);
    private static readonly ConcurrentDictionary<int, string> ConcurrentNumbers = new();
    private static readonly ConcurrentDictionary<string, string> ConcurrentStrings = new();
    private static readonly NativeStack<long> NativeStack = new();
    private static readonly NativeQueue<long> NativeQueue = new();
    private static readonly ConcurrentStack<long> Stack = new();
    private static readonly ConcurrentQueue<long> Queue = new();
    private static long s_result;

    public static void Run()
    {
        for (int key = 0; key < Keys; key++)
        {
            Numbers.Set(key, Names[key]);
            Strings.Set(Names[key], Names[key]);
            ConcurrentNumbers[key] = ConcurrentStrings[Names[key]] = Names[key];
        }

        ReaderTable.Print(
            $"Look-up of one of {Keys} numbers",
            ("ConcurrentDictionary", Concurrent),
            ("ReadMostlyMap, a section for each", EachSection),
            ("ReadMostlyMap, a section for each, RcuReader held", EachSectionByReader),
            ("ReadMostlyMap, one section for all", OneSection)
        );
        ReaderTable.Print(
            $"Look-up of one of {Keys} strings",
            ("ConcurrentDictionary", ConcurrentByName),
            ("ReadMostlyMap, a section for each", EachSectionByName),
            ("ReadMostlyMap, one section for all", OneSectionByName)
        );
        ReaderTable.Print("Push and pop", ("ConcurrentStack", StackPair), ("NativeStack", NativeStackPair));
        ReaderTable.Print("Enqueue and dequeue", ("ConcurrentQueue", QueuePair), ("NativeQueue", NativeQueuePair));
    }

    private static void Concurrent(int rounds)
    {
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            if (ConcurrentNumbers.TryGetValue(round & (Keys - 1), out string? value))
            {
                sum += value.Length;
            }
        }

        Keep(sum);
    }

    private static void EachSection(int rounds)
    {
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            using RcuReadSection section = Domain.EnterReadSection();
            if (Numbers.TryGetValue(in section, round & (Keys - 1), out string? value))
            {
                sum += value.Length;
            }
        }

        Keep(sum);
    }

    private static void EachSectionByReader(int rounds)
    {
        RcuReader reader = Domain.GetReader();
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            using RcuReadSection section = reader.EnterReadSection();
            if (Numbers.TryGetValue(in section, round & (Keys - 1), out string? value))
            {
                sum += value.Length;
            }
        }

        Keep(sum);
    }

    private static void OneSection(int rounds)
    {
        using RcuReadSection section = Domain.EnterReadSection();
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            if (Numbers.TryGetValue(in section, round & (Keys - 1), out string? value))
            {
                sum += value.Length;
            }
        }

        Keep(sum);
    }

    private static void ConcurrentByName(int rounds)
    {
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            if (ConcurrentStrings.TryGetValue(Names[round & (Keys - 1)], out string? value))
            {
                sum += value.Length;
            }
        }

        Keep(sum);
    }

    private static void EachSectionByName(int rounds)
    {
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            using RcuReadSection section = Domain.EnterReadSection();
            if (Strings.TryGetValue(in section, Names[round & (Keys - 1)], out string? value))
            {
                sum += value.Length;
            }
        }

        Keep(sum);
    }

    private static void OneSectionByName(int rounds)
    {
        using RcuReadSection section = Domain.EnterReadSection();
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            if (Strings.TryGetValue(in section, Names[round & (Keys - 1)], out string? value))
            {
                sum += value.Length;
            }
        }

        Keep(sum);
    }

    private static void StackPair(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Stack.Push(round);
            Stack.TryPop(out _);
        }
    }

    private static void NativeStackPair(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            NativeStack.Push(round);
            NativeStack.TryPop(out _);
        }
    }

    private static void QueuePair(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Queue.Enqueue(round);
            Queue.TryDequeue(out _);
        }
    }

    private static void NativeQueuePair(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            NativeQueue.Enqueue(round);
            NativeQueue.TryDequeue(out _);
        }
    }

    private static void Keep(long sum) => Volatile.Write(ref s_result, sum);
}
