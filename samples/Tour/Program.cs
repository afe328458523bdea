// What the README shows of the library, in one program. Each part is cut out between its mark and the next.
using System.Runtime.InteropServices;
using Crosscore;
using Crosscore.Code;
using Crosscore.PerCpu;
using Crosscore.Rcu;

// README: barriers
Membarrier.PrivateExpedited(); // every running sibling has passed a full memory barrier
CoreSerialization.AllThreads(); // no thread, the caller included, runs on with instructions fetched before

foreach (MachineGuarantee promise in MachineGuarantees.Detect())
{
    Console.WriteLine($"{promise.What}: {promise.Holds}, {promise.Basis} ({promise.Source})");
}

// README: data
using var certificate = new RcuCell<Certificate>(new Certificate("first"));

using (certificate.Read(out Certificate current))
{
    Console.WriteLine(current.Name); // not disposed of before the end of this block; no fence, no shared write
}

// returns at once; the first is disposed of when its last reader has left
certificate.Replace(new Certificate("second"));

// README: code
if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
{
    Console.WriteLine("The code that follows is x86-64.");
    return 1;
}

byte[] answer = [0xB8, 0x2A, 0x00, 0x00, 0x00, 0xC3]; // mov eax, 42; ret
using LiveCode code = LiveCode.Install(answer); // executable at one address, never writable there
PatchPlan plan = new CodePatch()
    .Replace(code, 0, [0xB8, 0x2B, 0x00, 0x00, 0x00]) // mov eax, 43, while any number of threads execute it
    .Commit(); // from here on every thread executes the new instruction
Console.WriteLine($"{plan.Method}: {plan.Reason}");

// README: per CPU
var requests = new PerCpuCounter();
requests.Increment(); // from any thread: an add to a word of its CPU, neither locked nor lost
Console.WriteLine(requests.Sum());

// README: end
return 0;

internal sealed class Certificate(string name) : IDisposable
{
    public string Name { get; } = name;

    public void Dispose() => Console.WriteLine($"{Name} is disposed of");
}
