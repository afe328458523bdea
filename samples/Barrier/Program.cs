// README: the library
using Crosscore;
using Crosscore.Code;

if (!Membarrier.TryRegister(MembarrierRegistrations.SyncCore, out MembarrierFailure why))
{
    Console.WriteLine($"No barrier here: {why}.");
    return 1;
}

Membarrier.PrivateExpedited();      // every running sibling has passed a full memory barrier
Membarrier.SyncCore();              // ... and has executed a core-serialising instruction

foreach (MachineGuarantee promise in MachineGuarantees.Detect())
{
    if (promise.Promise == MachinePromise.CallerCoreSerialization)
    {
        Console.WriteLine($"{promise.What}: {promise.Holds}, {promise.Basis} ({promise.Source})");
    }
}

byte[] answer = [0xB8, 0x2A, 0x00, 0x00, 0x00, 0xC3];   // mov eax, 42; ret
using SealedCode code = SealedCode.Seal(answer);         // nobody can change these bytes any more
using InstalledCode function = code.Install();           // executable, and at no time writable
unsafe
{
    // SAFETY: the bytes are a complete x86-64 function without arguments; the mapping lives until the end of this scope.
    Console.WriteLine(((delegate* unmanaged<int>)function.Address)());
}
// README: end
return 0;
